"""Lays a Triton model repository of Python models into a folder: python triton_repository.py FOLDER."""
import pathlib
import sys

KINDS = "FP16 FP32 FP64 INT8 INT16 INT32 INT64 UINT8 UINT16 UINT32 UINT64 BOOL STRING".split()


def tensors(what, kinds, dims):
    return "".join(f'{what} [{{ name: "{name}" data_type: TYPE_{kind} dims: [ {dims} ] }}]\n' for name, kind in kinds)


# Twice its input, times the version; refuses what is far below zero.
DOUBLER = '''
class TritonPythonModel:
    def execute(self, requests):
        said = []
        for request in requests:
            x = pb.get_input_tensor_by_name(request, "x").as_numpy()
            if (x < -1e6).any():
                error = pb.TritonError("too small", pb.TritonError.INVALID_ARG)
                said.append(pb.InferenceResponse(error=error))
            else:
                said.append(pb.InferenceResponse([pb.Tensor("y", (x * 2 * VERSION).astype(np.float32))]))
        return said
'''
# Every type back as it came.
ECHO = f'''
KINDS = {KINDS!r}
class TritonPythonModel:
    def execute(self, requests):
        def back(request, kind):
            return pb.Tensor("o_" + kind, pb.get_input_tensor_by_name(request, "i_" + kind).as_numpy())
        return [pb.InferenceResponse([back(request, kind) for kind in KINDS]) for request in requests]
'''
# The sum of a sequence so far; Triton fills a batch up with requests of sequence 0.
COUNTER = '''
class TritonPythonModel:
    def initialize(self, args):
        self.sums = {}
    def execute(self, requests):
        said = []
        for request in requests:
            of = lambda name: int(pb.get_input_tensor_by_name(request, name).as_numpy().reshape(-1)[0])
            total = (0 if of("START") else self.sums.get(of("CORRID"), 0)) + of("n")
            self.sums[of("CORRID")] = total
            said.append(pb.InferenceResponse([pb.Tensor("sum", np.array([[total]], np.int64))]))
        return said
'''
# One request, several answers.
REPEAT = '''
class TritonPythonModel:
    def execute(self, requests):
        for request in requests:
            sender = request.get_response_sender()
            text = pb.get_input_tensor_by_name(request, "text").as_numpy()[0]
            for at in range(int(pb.get_input_tensor_by_name(request, "times").as_numpy()[0])):
                piece = np.array([text + b" %d" % at], dtype=object)
                sender.send(pb.InferenceResponse([pb.Tensor("piece", piece)]))
            sender.send(flags=pb.TRITONSERVER_RESPONSE_COMPLETE_FINAL)
'''
CPU = "instance_group [{ kind: KIND_CPU count: %d }]\n"
MODELS = {
    "doubler": (
        "max_batch_size: 8\nversion_policy { all {} }\ndynamic_batching {}\n"
        + tensors("input", [("x", "FP32")], 2) + tensors("output", [("y", "FP32")], 2) + CPU % 2,
        DOUBLER,
        (1, 2),
    ),
    "echo": (
        tensors("input", [("i_" + kind, kind) for kind in KINDS], -1)
        + tensors("output", [("o_" + kind, kind) for kind in KINDS], -1) + CPU % 1,
        ECHO,
        (1,),
    ),
    "counter": (
        "max_batch_size: 4\n" + tensors("input", [("n", "INT64")], 1) + tensors("output", [("sum", "INT64")], 1) + CPU % 1
        + '''sequence_batching { control_input [
            { name: "START" control [{ kind: CONTROL_SEQUENCE_START int32_false_true: [ 0, 1 ] }] },
            { name: "CORRID" control [{ kind: CONTROL_SEQUENCE_CORRID data_type: TYPE_UINT64 }] } ] }\n''',
        COUNTER,
        (1,),
    ),
    "repeat": (
        "model_transaction_policy { decoupled: True }\n"
        + tensors("input", [("text", "STRING"), ("times", "INT32")], 1) + tensors("output", [("piece", "STRING")], 1) + CPU % 1,
        REPEAT,
        (1,),
    ),
}

for name, (config, code, versions) in MODELS.items():
    for version in versions:
        folder = pathlib.Path(sys.argv[1], name, str(version))
        folder.mkdir(parents=True)
        head = f"import numpy as np\nimport triton_python_backend_utils as pb\nVERSION = {version}\n"
        (folder / "model.py").write_text(head + code)
        (folder.parent / "config.pbtxt").write_text('backend: "python"\n' + config)
