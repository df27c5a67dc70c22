.PHONY: help run test bench bench-full torture check build browser provider

# The race detector needs a C compiler; .ci/prepare gets one where it may. Asked again at each use, so after that.
race = $(shell command -v cc >/dev/null 2>&1 && echo -race)

help: ## what can be done here
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 14
run: build ## the whole street on this machine: gateway, simulator, demo data; Ctrl-C stops it all
	@exec bin/feegate demo --data-dir .feegate --listen 127.0.0.1:8080 --simulator-listen 127.0.0.1:8090 --ready-file .feegate/ready.json
test: browser ## everything that must hold before a change lands
	@unformatted=$$(gofmt -l cmd gateway migrations providers $(wildcard reconciliation)); test -z "$$unformatted" || { echo "not gofmt-ed: $$unformatted"; exit 1; }
	go vet ./...
	@# The tests share one PostgreSQL, which is stopped whatever they say.
	go test $(race) -timeout 30m ./...; said=$$?; go run ./migrations/dbtest/stop; exit $$said
bench: build ## benchmarks as ratios within one run, one table at the end
	go test -tags bench -run '^TestBench' -count=1 -timeout 120m -v ./cmd/...
bench-full: build ## reports over 10,000,000 orders against 1,000,000 (half an hour, 30 GB in /var/tmp)
	FEEGATE_BENCH_ORDERS=1000000,10000000 go test -tags bench -run '^TestBenchReports' -count=1 -timeout 240m -v ./cmd/feegate
torture: ## the long fault and property runs
	go test $(race) -tags torture -run '^TestTorture' -count=1 -timeout 120m -v ./...
check: test ## test, and the linters: staticcheck, govulncheck
	go tool staticcheck ./...
	.ci/vulncheck
provider: ## lay out the folder of a new provider: make provider NAME=x (docs/adding-a-provider.md)
	@go run ./providers/providertest/scaffold providers "$(NAME)"
build: ## the programs, into bin/
	go build -o bin/ ./cmd/...
browser: ## what tests need of the machine: a C compiler for the race detector, Chromium for the pages' tests
	@.ci/prepare
