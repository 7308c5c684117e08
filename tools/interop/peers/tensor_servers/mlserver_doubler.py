"""An MLServer runtime that doubles, whatever the type."""
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse, MetadataTensor


class Doubler(MLModel):
    async def load(self):
        self.inputs = [MetadataTensor(name="x", datatype="FP32", shape=[-1, 2])]
        self.outputs = [MetadataTensor(name="y", datatype="FP32", shape=[-1, 2])]
        return True

    async def predict(self, payload):
        x = self.decode(payload.inputs[0], default_codec=NumpyCodec)
        y = (x * 2).astype(x.dtype)
        return InferenceResponse(id=payload.id, model_name=self.name, outputs=[NumpyCodec.encode_output("y", y)])
