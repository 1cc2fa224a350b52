"""Property tests: no deadline, since a busy machine is slow now and then, and that is no failure."""

import hypothesis

hypothesis.settings.register_profile("unit", parent=hypothesis.settings.default, deadline=None)
hypothesis.settings.load_profile("unit")
