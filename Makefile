.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
READY := .venv/.ready
# sam and its builders look up python3.13, cfn-lint and pip in the path.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
ARCH ?= arm64
# Valid whatever time a file is given on its way to Lambda; the paths are those that tracebacks have there.
COMPILE := python -m compileall -q --invalidation-mode unchecked-hash

.PHONY: help
help: ## Show these lines
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(READY): uv.lock pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh

.PHONY: run
run: $(READY) ## Start the local stack and send the sample events through it (ARGS=--help for more, as --dynamodb local)
	@python -m sandbox $(ARGS)

.PHONY: test
test: $(READY) lint ## Lint, types, every test (on moto and DynamoDB Local), the template's lint and the built functions
	@pytest -n 2

.PHONY: protections
protections: $(READY) ## Remove each safeguard (mutation testing), and check that a named test fails without it
	@python scripts/protections.py

.PHONY: fuzz
fuzz: $(READY) ## Look for what nobody thought of, for some minutes (EXAMPLES=2000)
	FUZZ_EXAMPLES=$(or $(EXAMPLES),2000) pytest -n 2 tests/handlers/fuzz tests/integration/test_send_protocol.py

.PHONY: chaos
chaos: $(READY) ## Kills, freezes and faults everywhere at once, judged by MSG91's ledger (SEED=, EVENTS=, REPORTS=, DYNAMODB=moto)
	@python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(EVENTS),--events $(EVENTS)) $(if $(REPORTS),--reports $(REPORTS)) \
		$(if $(DYNAMODB),--dynamodb $(DYNAMODB))

.PHONY: bench
bench: $(READY) ## Measure the built functions against an import baseline and a Powertools reference; write docs/performance.md
	@python -m benchmarks

.PHONY: lint
lint: $(READY) ## Ruff, mypy, the template's rules, and whether the layer's requirements are the lock's
	ruff check .
	ruff format --check .
	mypy
	cfn-lint --template template.yaml
	cfn-lint --template template.yaml --append-rules cfn_lint_serverless.rules
	AWS_DEFAULT_REGION=ap-south-1 sam validate --lint
	sh scripts/requirements.sh | diff - layers/shared/requirements.txt

.PHONY: format
format: $(READY) ## Format and fix what ruff can
	ruff format .
	ruff check --fix .

.PHONY: build
build: $(READY) ## sam build (ARCH=arm64 or x86_64), with bytecode: Lambda could not keep any, and would compile at each start
	sam build --parameter-overrides Architecture=$(ARCH)
	@cd .aws-sam/build && $(COMPILE) -s SharedLayer -p /opt SharedLayer/python
	@cd .aws-sam/build && for function in *Function; do $(COMPILE) -s $$function -p /var/task $$function; done

.PHONY: requirements
requirements: $(READY) ## Lock the newest packages, and export what the layer ships
	@sh scripts/requirements.sh upgrade > layers/shared/requirements.txt

.PHONY: forget
forget: $(READY) ## Count what is stored about a phone number, or delete it (STACK=, SCAN=1, DELETE=1)
	@PYTHONPATH=layers/shared python scripts/forget.py --stack $(STACK) $(if $(SCAN),--scan) $(if $(DELETE),--delete)

.PHONY: verify
verify: $(READY) ## Check a deployed stack from outside, and say what to do (STACK=, TO=, TEXT=, SENDER=, PATIENCE=)
	@PYTHONPATH=layers/shared:. python -m scripts.verify --stack "$(STACK)" $(if $(TO),--to "$(TO)") \
	  $(if $(TEXT),--text "$(TEXT)") $(if $(SENDER),--sender "$(SENDER)") $(if $(PATIENCE),--patience $(PATIENCE))

.PHONY: clean
clean: ## Remove what the other targets made
	rm -rf .venv .uv .aws-sam .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
