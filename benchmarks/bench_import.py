"""What a DAG file pays for importing the operator, and every process of Airflow for the plugin; Airflow itself being
loaded already.

python benchmarks/bench_import.py --runs 5
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

MEASURED = {
    "the operator": ("from airflow.sdk import BaseOperator, DAG, dag, task", "airflow_provider_hubbatch.operators"),
    "the plugin": ("import airflow.plugins_manager", "airflow_provider_hubbatch.ui.plugin"),
}
MEASURE = """
import sys, time
import airflow.sdk
{loaded}
before = set(sys.modules)
started, started_cpu = time.perf_counter(), time.process_time()
import {module}
print((time.perf_counter() - started) * 1000, (time.process_time() - started_cpu) * 1000)
print(*sorted(set(sys.modules) - before))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=5)
    options = parser.parse_args()
    for name, (loaded, module) in MEASURED.items():
        measure(name, MEASURE.format(loaded=loaded, module=module), options.runs)


def measure(name: str, program: str, runs: int) -> None:
    wall, cpu, modules = [], [], []
    for _ in range(runs):
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        times, told = done.stdout.splitlines()[-2:]
        wall.append(float(times.split()[0]))
        cpu.append(float(times.split()[1]))
        modules = told.split()
    median, of_cpu = statistics.median(wall), statistics.median(cpu)
    print(f"{name}: {median:.1f} ms (of which {of_cpu:.1f} ms of CPU), median of {runs}")
    print(f"loads {len(modules)} modules: {', '.join(modules)}")


if __name__ == "__main__":
    main()
