"""`python -m batch_manager` is the same as the command `batch-manager`."""

from batch_manager.cli import main

raise SystemExit(main())
