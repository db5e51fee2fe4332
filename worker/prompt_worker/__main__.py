import sys

from prompt_worker.commands.cli import main

sys.exit(main())
