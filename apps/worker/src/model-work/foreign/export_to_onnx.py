"""Reads a PyTorch, TensorFlow or JAX model and writes it as ONNX. Runs behind walls: reading such a file runs code.

One line of JSON as argument: {"path", "to", "opset", "inputs": [{"name", "shape", "datatype"}]}; a size that is a text
may vary. Answers one line of JSON on descriptor 3: {"tool", "versions"} or {"missing"} or {"problem", "hint"}.
"""

import json
import os
import runpy
import sys

wish = json.loads(sys.argv[1])
path, to, opset, inputs = wish["path"], wish["to"], wish["opset"], wish["inputs"]
answer = os.fdopen(3, "w")
names = {
    "FP32": "float32",
    "FP16": "float16",
    "FP64": "float64",
    "INT8": "int8",
    "UINT8": "uint8",
    "INT32": "int32",
    "INT64": "int64",
    "BOOL": "bool",
}


class Problem(Exception):
    def __init__(self, sentence, hint):
        super().__init__(sentence)
        self.hint = hint


def need_inputs():
    if not inputs:
        raise Problem(
            "the model is traced with an example of each input, and none is declared",
            "say what it takes: inputs: [{name: x, shape: [batch, 8], datatype: FP32}]",
        )


def example_shape(shape):
    # Not 1: a traced model would take such a size for one that never varies.
    return [2 if isinstance(size, str) else size for size in shape]


def versions(*modules):
    found = {"python": sys.version.split()[0]}
    for name in modules:
        module = sys.modules.get(name)
        if module is not None:
            found[name] = str(getattr(module, "__version__", "unknown"))
    return found


def from_torch(model):
    import torch

    if not isinstance(model, torch.nn.Module):
        raise Problem(
            f"the file holds a {type(model).__name__}, not a model",
            "weights alone say nothing of the computation: torch.jit.save or torch.export.save the model, or name a "
            ".py file with a function model() that makes it and loads them",
        )
    need_inputs()
    model.eval()
    # Whole numbers are often indices: 0 is one of any table. Noise shows what zeros would hide.
    examples = tuple(
        torch.randn(example_shape(each["shape"])).to(getattr(torch, names[each["datatype"]]))
        if each["datatype"].startswith("FP")
        else torch.zeros(example_shape(each["shape"]), dtype=getattr(torch, names[each["datatype"]]))
        for each in inputs
    )
    input_names = [each["name"] for each in inputs]
    varying = {
        each["name"]: {axis: size for axis, size in enumerate(each["shape"]) if isinstance(size, str)}
        for each in inputs
    }
    with torch.no_grad():
        outputs = model(*examples)
    count = len(outputs) if isinstance(outputs, (tuple, list)) else 1
    output_names = ["output"] if count == 1 else [f"output_{at}" for at in range(count)]
    common = {"input_names": input_names, "output_names": output_names, "opset_version": opset}
    if isinstance(model, torch.jit.ScriptModule):
        varying_outputs = {name: {0: next(iter(axes.values()))} for name in output_names for axes in [varying[input_names[0]]] if 0 in axes}
        torch.onnx.export(model, examples, to, dynamo=False, dynamic_axes={**varying, **varying_outputs}, **common)
        return
    sizes = {}
    dynamic = tuple(
        {axis: sizes.setdefault(size, torch.export.Dim(size)) for axis, size in varying[name].items()} or None
        for name in input_names
    )
    torch.onnx.export(
        model, examples, to, dynamo=True, dynamic_shapes=dynamic, external_data=False, verbose=False, **common
    )


def load_torch():
    import torch

    try:
        return torch.jit.load(path, map_location="cpu")
    except RuntimeError:
        pass
    try:
        return torch.load(path, map_location="cpu", weights_only=False)
    except (AttributeError, ModuleNotFoundError) as error:
        raise Problem(
            f"the file names code that is not here: {error}",
            "torch.jit.save or torch.export.save keep the computation; or name a .py file with a function model()",
        ) from error


def from_tensorflow(model):
    import tensorflow as tf
    import tf2onnx

    if hasattr(model, "export"):  # Keras: what it computes, without what it is made of
        folder = os.path.join(os.path.dirname(to), "saved")
        model.export(folder, verbose=False)
        model = tf.saved_model.load(folder)
    signatures = getattr(model, "signatures", {})
    name = "serving_default" if "serving_default" in signatures else next(iter(signatures), None)
    if name is None:
        raise Problem("the SavedModel has no signature", "save it with one: tf.saved_model.save(m, dir, signatures=f)")
    function = signatures[name]
    taken = list(function.structured_input_signature[1].values())

    @tf.function(input_signature=taken)
    def call(*given):
        return function(**{spec.name: value for spec, value in zip(taken, given)})

    tf2onnx.convert.from_function(call, input_signature=taken, opset=min(opset, 18), output_path=to)


def load_tensorflow():
    import tensorflow as tf

    return tf.saved_model.load(path) if os.path.isdir(path) else tf.keras.models.load_model(path)


def from_jax(function):
    import jax
    import jax2onnx
    import numpy

    need_inputs()
    specs = [
        jax.ShapeDtypeStruct(example_shape(each["shape"]), numpy.dtype(names[each["datatype"]]))
        if not any(isinstance(size, str) for size in each["shape"])
        else tuple(each["shape"])
        for each in inputs
    ]
    made = jax2onnx.to_onnx(
        function, specs, opset=opset, input_names=[each["name"] for each in inputs]
    )
    import onnx

    onnx.save(made, to)


def from_python_file():
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    make = runpy.run_path(path).get("model")
    if not callable(make):
        raise Problem(f"{path} has no function model()", "it returns a PyTorch, Keras or JAX model")
    model = make()
    kinds = [
        ("torch", from_torch, lambda module: isinstance(model, module.nn.Module)),
        ("tensorflow", from_tensorflow, lambda module: isinstance(model, module.Module)),
        ("keras", from_tensorflow, lambda module: isinstance(model, module.Model)),
        ("jax", from_jax, lambda module: callable(model)),
    ]
    for name, export, is_one in kinds:
        if name in sys.modules and is_one(sys.modules[name]):
            export(model)
            return name
    raise Problem(f"model() gave a {type(model).__name__}", "PyTorch, Keras and JAX models are read")


def export():
    if path.endswith(".py"):
        return from_python_file()
    if os.path.isdir(path) or path.endswith((".keras", ".h5")):
        from_tensorflow(load_tensorflow())
        return "tensorflow"
    if path.endswith(".pt2"):
        import torch

        # It knows its inputs, and which of their sizes vary.
        torch.onnx.export(torch.export.load(path), f=to, dynamo=True, external_data=False, verbose=False, opset_version=opset)
        return "torch"
    from_torch(load_torch())
    return "torch"


try:
    tool = export()
    said = {"tool": tool, "versions": versions("torch", "onnx", "onnxscript", "tensorflow", "tf2onnx", "jax", "jax2onnx")}
except ModuleNotFoundError as error:
    said = {"missing": error.name}
except Problem as error:
    said = {"problem": str(error), "hint": error.hint}
except Exception as error:  # whatever the file's own code does
    if type(error).__name__ == "OnnxExporterError" and "not installed" in str(error):
        said = {"missing": str(error).split()[1]}
    else:
        said = {"problem": f"{type(error).__name__}: {error}"[:2000], "hint": "the log has the whole story"}
        import traceback

        traceback.print_exc()
answer.write(json.dumps(said))
answer.close()
