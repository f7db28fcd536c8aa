"""Every kernel is compiled to a GPU's machine code, which needs no GPU: the interpreter takes more than a compiler."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="kernels are tested where Triton is installed: pip install 'gearscope[gpu]'")

SCRIPT = """
import json
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from gearscope.dictionaries.training.kernels import encoder, products

FLOATS = "out table weights g W x b levels values"
INDICES = "index bag_of part_of starts ends further first_slot rows columns keys"
TYPES = dict.fromkeys(FLOATS.split(), "*fp32") | dict.fromkeys(INDICES.split(), "*i64") | {"counter": "*i32"}
bag = {"ENTRIES": products._ENTRIES, "WIDTH": products._WIDTH}
tile = encoder._tile()
warps = tile.pop("num_warps")
KERNELS = [
    (products._add_bags, bag),
    (products._add_parts, bag),
    (products._dot_entries, bag),
    (encoder._collect, tile),
    (encoder._collect, tile | {"PRECISION": "tf32x3"}),
    (encoder._group_maxima, tile | {"GROUP": encoder._GROUP}),
]
sizes = {}
for kernel, constants in KERNELS:
    signature = {n: "constexpr" if n in constants else TYPES.get(n, "i32") for n in kernel.arg_names}
    options = {"num_warps": warps} if "PRECISION" in constants else {}
    made = triton.compile(ASTSource(kernel, signature, constants), target=GPUTarget("cuda", 80, 32), options=options)
    sizes[f"{kernel.__name__} {constants.get('PRECISION', '')}"] = len(made.asm["cubin"])
print(json.dumps(sizes))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="Triton's compiler is for Linux")
def test_every_kernel_is_compiled(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "TRITON_INTERPRET"}
    source = Path(__file__).parents[4] / "src"
    environment |= {"TRITON_CACHE_DIR": str(tmp_path), "PYTHONPATH": str(source)}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    sizes = json.loads(done.stdout)
    assert len(sizes) == 6
    assert all(size > 1000 for size in sizes.values())
