"""MSG91's side: its API, its delivery reports, and what its codes and words mean."""
