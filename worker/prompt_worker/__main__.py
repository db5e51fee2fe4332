import sys

from prompt_worker.cli import main

sys.exit(main())
