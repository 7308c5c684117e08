"""A TorchServe handler that doubles rows, named or not, behind the JSON envelope."""
from ts.torch_handler.base_handler import BaseHandler


class Doubler(BaseHandler):
    def initialize(self, context):
        self.initialized = True

    def preprocess(self, rows):
        return rows

    def inference(self, rows):
        def twice(values):
            return [2.0 * value for value in values]

        return [{name: twice(row[name]) for name in row} if isinstance(row, dict) else twice(row) for row in rows]

    def postprocess(self, rows):
        return rows
