"""NVIDIA's clients, http and grpc, against a real tensor server behind our two ports. WAYS: how our side reaches it."""
import os
from queue import Queue

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException

KIND, WAYS, KEY = os.environ["KIND"], os.environ["WAYS"].split(), os.environ["KEY"]
clients = {
    "http": (over_http, over_http.InferenceServerClient(os.environ["HTTP"])),
    "grpc": (over_grpc, over_grpc.InferenceServerClient(os.environ["GRPC"])),
}
KINDS = "FP16 FP32 FP64 INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 BOOL BYTES".split()


def as_us():
    return {"authorization": f"Bearer {KEY}"}


def values_of(kind):
    if kind == "BYTES":
        return np.array([b"a", "ü".encode(), b""], dtype=object)
    if kind == "BOOL":
        return np.array([True, False, True])
    if kind.startswith("FP"):
        return np.array([1.5, -0.25, 0.1], dtype={"FP16": "f2", "FP32": "f4", "FP64": "f8"}[kind])
    whole = np.iinfo(kind.lower())
    return np.array([whole.min, 1, whole.max], dtype=kind.lower())


def tensor(client, name, values, kind, binary):
    made = client.InferInput(name, list(values.shape), kind)
    made.set_data_from_numpy(values, **({"binary_data": binary} if client is over_http else {}))
    return made


def wanted(client, name, binary):
    return client.InferRequestedOutput(name, **({"binary_data": binary} if client is over_http else {}))


def refusal(ask, *words):
    try:
        ask()
    except InferenceServerException as error:
        assert all(word in str(error) for word in words), error
        return
    raise SystemExit("a wrong request was answered")


def twice(where, binary, kind="FP32", rows=3, endpoint="doubler", columns=2, version="", named="x"):
    client, ask, way = where
    values = np.arange(rows * columns).reshape(rows, columns).astype(values_of(kind).dtype)
    # JSON has no half floats in this client.
    inputs = [tensor(client, named, values, kind, binary or kind == "FP16")]
    outputs = None if KIND == "torchserve" else [wanted(client, "y", binary or kind == "FP16")]
    got = ask.infer(f"{way}-{endpoint}", inputs, outputs=outputs, model_version=version, headers=as_us())
    found = got.as_numpy("output" if KIND == "torchserve" else "y")
    assert np.array_equal(found, values * 2 * (2 if KIND == "triton" and version == "" else 1)), (where, found)


def triton(where):
    client, ask, way = where
    for binary in (True, False) if client is over_http else (True,):
        twice(where, binary)
        twice(where, binary, rows=8)
        twice(where, binary, version="1")
        inputs, outputs = [], []
        for kind in KINDS:
            binary_kind = binary or kind == "FP16"
            triton_name = "STRING" if kind == "BYTES" else kind
            inputs.append(tensor(client, "i_" + triton_name, values_of(kind), kind, binary_kind))
            outputs.append(wanted(client, "o_" + triton_name, binary_kind))
        got = ask.infer(f"{way}-echo", inputs, outputs=outputs, headers=as_us())
        for kind in KINDS:
            found = got.as_numpy("o_" + ("STRING" if kind == "BYTES" else kind))
            if kind == "BYTES":
                found = np.array([each if isinstance(each, bytes) else each.encode() for each in found], dtype=object)
            assert np.array_equal(found, values_of(kind)), (where, binary, kind, found)
        refusal(lambda: twice(where, binary, rows=9), "batch-size")
        refusal(lambda: twice(where, binary, columns=3), "unexpected shape")
        refusal(lambda: twice(where, binary, named="z"), "unexpected inference input")
        refusal(lambda: twice(where, binary, kind="INT32"), "FP32")
        refusal(lambda: twice(where, binary, version="3"), "version 3")
    assert ask.is_model_ready(f"{way}-doubler", "1", headers=as_us())
    assert not ask.is_model_ready(f"{way}-doubler", "3", headers=as_us())
    # Two sequences side by side, one with an id that no double holds.
    ids, sums = (5, 2**63 - 1), []
    for at in range(3):
        for sequence in ids:
            number = tensor(client, "n", np.array([[at + 1]], dtype=np.int64), "INT64", True)
            state = {"sequence_id": sequence, "sequence_start": at == 0, "sequence_end": at == 2}
            got = ask.infer(f"{way}-counter", [number], headers=as_us(), **state)
            sums.append(int(got.as_numpy("sum")[0, 0]))
    assert sums == [1, 1, 3, 3, 6, 6], (where, sums)
    if client is over_grpc and way == "grpc":
        said = Queue()
        ask.start_stream(lambda result, error: said.put((result, error)), headers=as_us())
        text = tensor(client, "text", np.array([b"hi"], dtype=object), "BYTES", True)
        times = tensor(client, "times", np.array([3], dtype=np.int32), "INT32", True)
        ask.async_stream_infer(f"{way}-repeat", [text, times])
        pieces = []
        for _ in range(3):
            result, error = said.get(timeout=60)
            assert error is None, error
            pieces.append(result.as_numpy("piece")[0])
        ask.stop_stream()
        assert pieces == [b"hi 0", b"hi 1", b"hi 2"], pieces


def mlserver(where):
    client = where[0]
    for binary in (True, False) if client is over_http else (True,):
        for kind in KINDS:
            if kind not in ("BOOL", "BYTES"):
                twice(where, binary, kind=kind)


def torchserve(where):
    client, ask, way = where
    # It knows no binary tensors; over gRPC ours always are.
    if client is over_grpc:
        refusal(lambda: twice(where, True), "JSON only")
        return
    twice(where, False)
    twice(where, False, version="1.0")
    refusal(lambda: twice(where, False, version="2.0"), "does not exist")
    rows = {"a": np.array([[1, 2], [1, 3]], np.float32), "b": np.array([[3], [5]], np.float32)}
    inputs = [tensor(client, name, values, "FP32", False) for name, values in rows.items()]
    got = ask.infer(f"{way}-doubler", inputs, headers=as_us())
    assert all(np.array_equal(got.as_numpy(name), 2 * values) for name, values in rows.items())
    words = tensor(client, "x", np.array([[b"a", b"b"]], dtype=object), "BYTES", False)
    refusal(lambda: ask.infer(f"{way}-doubler", [words], headers=as_us()), "Prediction failed")


for way in WAYS:
    for name, (client, ask) in clients.items():
        where = (client, ask, way)
        assert ask.is_model_ready(f"{way}-doubler", headers=as_us()), where
        told = ask.get_model_metadata(f"{way}-doubler", headers=as_us())
        if KIND != "torchserve":
            inputs = told["inputs"] if isinstance(told, dict) else told.inputs
            first = inputs[0] if isinstance(told, dict) else {"name": inputs[0].name, "shape": list(inputs[0].shape)}
            assert (first["name"], first["shape"]) == ("x", [-1, 2]), told
        globals()[KIND](where)
print("ok")
