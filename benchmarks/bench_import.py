"""What a DAG file pays for importing the operator, Airflow itself being loaded already.

python benchmarks/bench_import.py --runs 5
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

MEASURE = """
import sys, time
import airflow.sdk
from airflow.sdk import BaseOperator, DAG, dag, task
before = set(sys.modules)
started, started_cpu = time.perf_counter(), time.process_time()
import airflow_provider_hubbatch.operators
print((time.perf_counter() - started) * 1000, (time.process_time() - started_cpu) * 1000)
print(*sorted(set(sys.modules) - before))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    command = [sys.executable, "-c", MEASURE]
    wall, cpu, modules = [], [], []
    for _ in range(options.runs):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        times, loaded = done.stdout.splitlines()[-2:]
        wall.append(float(times.split()[0]))
        cpu.append(float(times.split()[1]))
        modules = loaded.split()
    print(
        f"{statistics.median(wall):.1f} ms (of which {statistics.median(cpu):.1f} ms of CPU), median of {options.runs}"
    )
    print(f"loads {len(modules)} modules: {', '.join(modules)}")


if __name__ == "__main__":
    main()
