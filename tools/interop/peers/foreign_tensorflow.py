"""Writes a small Keras model and the same as a SavedModel, and what it answers."""
import json
import os

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import numpy
import tensorflow as tf

folder = os.environ["DIR"]
tf.keras.utils.set_random_seed(5)
model = tf.keras.Sequential(
    [
        tf.keras.layers.Input((8,), name="x"),
        tf.keras.layers.Dense(16, activation="relu"),
        tf.keras.layers.Dense(4, activation="softmax"),
    ]
)
model.save(f"{folder}/model.keras")
model.export(f"{folder}/saved", verbose=False)
x = numpy.random.default_rng(5).standard_normal((4, 8)).astype(numpy.float32)
y = model(x).numpy()
common = {"inputs": [], "shape": [4, 8], "x": x.flatten().tolist(), "y": y.flatten().tolist()}
models = [{"path": f"{folder}/{name}", **common} for name in ("model.keras", "saved")]
json.dump(models, open(f"{folder}/foreign_tensorflow.py.json", "w"))
print(f"tensorflow {tf.__version__}")
