# This source file is part of ZProc for Swift.
# SPDX-License-Identifier: Apache-2.0
"""The peer `joblib`: Parallel with its default backend, loky."""

import os

import peer

# Else its resource tracker tells at the end of the temporary folders that it removes then.
os.environ["PYTHONWARNINGS"] = "ignore:resource_tracker:UserWarning"

try:
    import joblib
    from joblib.externals.loky import get_reusable_executor
except ImportError as reason:
    peer.absent(reason, "pip install joblib")


def end_workers():
    """End loky's workers, which it would use again for the next run."""
    get_reusable_executor().shutdown(wait=True, kill_workers=True)


class Joblib(peer.Peer):
    """See the module."""

    name = f"joblib {joblib.__version__} ({peer.PYTHON})"
    unsupported = {
        "counter": "joblib has no shared state",
        "transfers": "joblib has no shared state",
        "pipeline": "joblib has no queues",
    }

    def wordcount(self, stack, workers, texts):
        return peer.merge(self.run(stack, workers, (joblib.delayed(peer.count_words)(text) for text in texts)))

    def mandelbrot(self, stack, workers, size):
        return sum(self.run(stack, workers, (joblib.delayed(peer.mandelbrot_row)(row, size) for row in range(size))))

    def run(self, stack, workers, calls):
        """The results of the calls."""
        if workers > 1:  # one worker is this process itself
            stack.callback(end_workers)
        return stack.enter_context(joblib.Parallel(n_jobs=workers))(calls)


if __name__ == "__main__":
    peer.serve(Joblib())
