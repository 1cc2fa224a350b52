.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
READY := .venv/.ready
# sam and its builders find python3.13, cfn-lint and pip on the path.
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export SAM_CLI_TELEMETRY := 0
ARCH ?= arm64
# unchecked-hash: the bytecode stays valid if a file's time changes on the way to Lambda. Tracebacks show Lambda's paths.
COMPILE := python -m compileall -q --invalidation-mode unchecked-hash

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 16

$(READY): uv.lock pyproject.toml scripts/setup.sh
	@sh scripts/setup.sh

.PHONY: run
run: $(READY) ## Start the local stack and send the sample events through it (options: ARGS=--help)
	@python -m sandbox $(ARGS)

.PHONY: check
check: $(READY) ## Run lint, types and the fast tests, in under a minute
	@ruff check . && ruff format --check . && mypy -n 2
	@pytest -q -n 2 -m "not slow and not medium"

.PHONY: test
test: $(READY) lint ## Run lint, types and every test, on moto and DynamoDB Local, and on the built functions
	@pytest -n 4 --cov --cov-report=

.PHONY: protections
protections: $(READY) ## Remove each safeguard in turn, and check that a named test fails (kills the mutant)
	@python scripts/protections.py

.PHONY: fuzz
fuzz: $(READY) ## Run the property tests with more examples, for some minutes (EXAMPLES=2000)
	FUZZ_EXAMPLES=$(or $(EXAMPLES),2000) pytest -n 2 --timeout 0 tests/handlers/fuzz tests/integration/test_send_protocol.py

.PHONY: chaos
chaos: $(READY) ## Inject kills, freezes and faults, and check the invariants (SEED=, EVENTS=, REPORTS=, DYNAMODB=moto)
	@python -m tests.chaos $(if $(SEED),--seed $(SEED)) $(if $(EVENTS),--events $(EVENTS)) $(if $(REPORTS),--reports $(REPORTS)) \
		$(if $(DYNAMODB),--dynamodb $(DYNAMODB))

.PHONY: interleavings
interleavings: $(READY) ## Explore every interleaving with two faults and more, for some minutes (FAULTS=)
	@PYTHONPATH=layers/shared:. python -m tests.interleavings $(if $(FAULTS),--faults $(FAULTS))

.PHONY: bench
bench: $(READY) ## Benchmark the built functions, and write the results to docs/performance.md (options: ARGS=--help)
	@python -m benchmarks $(ARGS)

.PHONY: lint lint-code lint-template
lint: $(READY) ## Run ruff, mypy and the template's linters, and compare the layer's requirements with the lock
	@$(MAKE) --no-print-directory -j 2 lint-code lint-template

lint-code:
	ruff check .
	ruff format --check .
	mypy -n 2
	sh scripts/requirements.sh | diff - layers/shared/requirements.txt

lint-template:
	cfn-lint --template template.yaml --append-rules cfn_lint_serverless.rules
	AWS_DEFAULT_REGION=ap-south-1 sam validate --lint

.PHONY: format
format: $(READY) ## Format the code, and fix what ruff can fix
	ruff format .
	ruff check --fix .

.PHONY: build
build: $(READY) ## Build for deployment (ARCH=arm64 or x86_64), with bytecode, which Lambda cannot store itself
	sam build --parameter-overrides Architecture=$(ARCH)
	@cd .aws-sam/build && $(COMPILE) -s SharedLayer -p /opt SharedLayer/python
	@cd .aws-sam/build && for function in *Function; do $(COMPILE) -s $$function -p /var/task $$function; done

.PHONY: requirements
requirements: $(READY) ## Lock the newest packages, and export the layer's requirements
	@sh scripts/requirements.sh upgrade > layers/shared/requirements.txt

.PHONY: forget
forget: $(READY) ## Count or delete what is stored about a phone number (STACK=, SCAN=1, DELETE=1, OPT_OUT=1)
	@PYTHONPATH=layers/shared:. python -m scripts.forget --stack "$(STACK)" $(if $(SCAN),--scan) $(if $(DELETE),--delete) \
	  $(if $(OPT_OUT),--opt-out)

.PHONY: optout
optout: $(READY) ## Add, remove, show, list or import opt-outs (STACK=, DO="list", DO="import FILE")
	@PYTHONPATH=layers/shared:. python -m scripts.optout --stack "$(STACK)" $(if $(REGION),--region $(REGION)) $(or $(DO),list)

.PHONY: verify
verify: $(READY) ## Check a deployed stack, and say what to do (STACK=, TO=, TEXT=, SENDER=, TIMEOUT=)
	@PYTHONPATH=layers/shared:. python -m scripts.verify --stack "$(STACK)" $(if $(TO),--to "$(TO)") \
	  $(if $(TEXT),--text "$(TEXT)") $(if $(SENDER),--sender "$(SENDER)") $(if $(TIMEOUT),--timeout $(TIMEOUT))

.PHONY: clean
clean: ## Delete what the other targets created
	rm -rf .venv .uv .aws-sam .cache .mypy_cache .pytest_cache .ruff_cache .hypothesis
