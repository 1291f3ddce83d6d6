"""Why does my training do that? Records of a real run, and findings that rest on the optimizer's own thresholds."""
