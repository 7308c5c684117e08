"""NVIDIA's official clients of the Open Inference Protocol, http and grpc, against our two ports."""
import os
from queue import Queue

import numpy as np
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from tritonclient.utils import InferenceServerException

key, model = os.environ["KEY"], os.environ["MODEL"]


def as_us(bearer=key):
    # Anew for each call: the http client writes into the headers that it is given.
    return {"authorization": f"Bearer {bearer}"}


clients = {
    "http": (over_http, over_http.InferenceServerClient(os.environ["HTTP"])),
    "grpc": (over_grpc, over_grpc.InferenceServerClient(os.environ["GRPC"])),
}
row = np.array([[1, 2], [3, 4], [-5, 0.5]], dtype=np.float32)


def tensor(kind, values=row, **how):
    made = kind.InferInput("x", list(values.shape), "FP32")
    made.set_data_from_numpy(values, **how)
    return made


def refusal(ask):
    try:
        ask()
    except InferenceServerException as error:
        return error
    raise SystemExit("a bad request was answered")


answers = []
for name, (kind, client) in clients.items():
    assert client.is_server_live() and client.is_server_ready(), name
    assert client.is_model_ready(model, headers=as_us()), name
    told = client.get_model_metadata(model, headers=as_us())
    if isinstance(told, dict):
        assert (told["inputs"][0]["name"], told["inputs"][0]["datatype"]) == ("x", "FP32"), told
    else:
        assert (told.inputs[0].name, told.inputs[0].datatype) == ("x", "FP32"), told
    assert client.get_server_metadata(headers=as_us()), name


    def infer(inputs=None, model=model, headers=None, **more):
        return client.infer(model, inputs=[inputs or tensor(kind)], headers=headers or as_us(), **more)

    got = infer(outputs=[kind.InferRequestedOutput("y")], request_id="7")
    answers.append(got.as_numpy("y"))
    response = got.get_response()
    assert (response["id"] if isinstance(response, dict) else response.id) == "7", response
    # All outputs, where none is named.
    assert np.array_equal(infer().as_numpy("y"), answers[-1]), name

    if kind is over_http:
        texts = infer(tensor(kind, binary_data=False), outputs=[kind.InferRequestedOutput("y", binary_data=False)])
        assert np.array_equal(texts.as_numpy("y"), answers[-1])
        packed = infer(request_compression_algorithm="gzip", response_compression_algorithm="gzip")
        assert np.array_equal(packed.as_numpy("y"), answers[-1])
        waiting = [client.async_infer(model, inputs=[tensor(kind, row + at)], headers=as_us()) for at in range(8)]
        many = [each.get_result().as_numpy("y") for each in waiting]
    else:
        done = Queue()
        for at in range(8):
            def heard(result, error, at=at):
                done.put((at, error or result.as_numpy("y")))

            client.async_infer(model, inputs=[tensor(kind, row + at)], callback=heard, headers=as_us())
        many = [value for _, value in sorted((done.get(timeout=60) for _ in range(8)), key=lambda each: each[0])]
    # y = 2 · the sum of a row.
    assert all(np.array_equal(each, answers[-1] + 4 * at) for at, each in enumerate(many)), many

    wrong = refusal(lambda: infer(tensor(kind, row[:, :1].copy())))
    assert "x" in str(wrong), wrong
    refusal(lambda: infer(model="nobody"))
    refusal(lambda: infer(headers=as_us("sk-nobody")))

assert np.array_equal(*answers), answers
print("tritonclient: http and grpc say the same; binary, JSON, gzip, async, refusals")
