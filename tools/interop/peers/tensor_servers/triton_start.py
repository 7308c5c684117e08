"""Becomes the Triton that nvidia-pytriton carries: python triton_start.py REPOSITORY STUBS HTTP_PORT GRPC_PORT."""
import os
import pathlib
import shutil
import sys

import pytriton

repository, scratch, http, grpc = sys.argv[1:]
carried = pathlib.Path(pytriton.__file__).parent / "tritonserver"
# The Python backend looks for its stub beside itself; the wheel has one for each Python.
backends = pathlib.Path(scratch, "backends")
shutil.copytree(carried / "backends", backends)
version = f"{sys.version_info.major}.{sys.version_info.minor}"
stub = "triton_python_backend_stub"
shutil.copy(carried / "python_backend_stubs" / version / stub, backends / "python" / stub)
libraries = carried.parent.parent / "nvidia_pytriton.libs"
os.environ["LD_LIBRARY_PATH"] = str(libraries)
os.environ["PYTHONPATH"] = str(carried.parent.parent)
program = carried / "bin" / "tritonserver"
os.execv(program, [str(program), "--model-repository", repository, "--backend-directory", str(backends),
                   "--model-control-mode", "explicit", "--load-model", "*", "--allow-metrics", "false",
                   "--http-address", "127.0.0.1", "--http-port", http,
                   "--grpc-address", "127.0.0.1", "--grpc-port", grpc])
