"""Prints what TensorBoard's own reader finds in a run directory: {tag: [[step, value], ...]} as JSON.

Run:  python tests/reference/reads_tensorboard.py RUN
"""

import json
import sys

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def main(directory):
    events = EventAccumulator(directory, size_guidance={"scalars": 0}).Reload()
    found = {tag: [[e.step, e.value] for e in events.Scalars(tag)] for tag in events.Tags()["scalars"]}
    found["file_version"] = events.file_version
    found["wall_times"] = sorted(e.wall_time for tag in events.Tags()["scalars"] for e in events.Scalars(tag))[:1]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
