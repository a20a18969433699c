"""A program of its own that trains a Keras model as a job file says: python keras_program.py JOB.npz RESULT.npz.

Run as a file, in a process that has Keras on JAX and neither PyTorch nor condense in it. The job holds x (N, D), y (N,),
order int64 (S, B) with -1 where a batch is shorter, kept steps, weights 'initial/LAYER', and settings as JSON. The result
is a dump: losses of train_on_batch, weights after kept steps, and gradients as Adam took them, from its first moment
before and after the step. `evaluation` holds the loss and accuracy of model.evaluate on the test data.
"""

import json
import os
import sys

import numpy as np


def main(job_path: str, result_path: str) -> None:
    """Reads the job, trains, writes the result."""
    with np.load(job_path, allow_pickle=False) as archive:
        job = {name: archive[name] for name in archive.files}
    settings = json.loads(str(job["settings"]))
    os.environ["KERAS_BACKEND"] = "jax"
    import jax

    jax.config.update("jax_enable_x64", settings["dtype"] == "float64")
    import keras

    keras.config.set_floatx(settings["dtype"])
    model = _model(keras, settings, job["x"].shape[1])
    names = _set_weights(model, job)
    result = _train(model, names, job, settings)
    if "torch" in sys.modules:
        raise RuntimeError("PyTorch was loaded into Keras' process.")
    evaluation = model.evaluate(job["test_x"], job["test_y"], batch_size=1000, verbose=0)  # pyright: ignore[reportArgumentType]
    np.savez(
        result_path,
        program=np.array(f"Keras {keras.__version__} on JAX {jax.__version__}, {settings['dtype']}"),
        evaluation=np.atleast_1d(np.asarray(evaluation, dtype=np.float64)),
        learning_rate=np.array(float(model.optimizer.learning_rate)),
        **result,  # pyright: ignore[reportArgumentType]
    )


def _model(keras, settings, inputs):
    """The layers as settings say: 'relu', 'softmax' or 'linear' after each Dense, BatchNormalization before a ReLU."""
    layers = [keras.Input((inputs,))]
    for units, activation in settings["layers"]:
        if settings["batch_norm"] and activation == "relu":
            layers += [keras.layers.Dense(units), keras.layers.BatchNormalization(), keras.layers.ReLU()]
        else:
            layers.append(keras.layers.Dense(units, activation=activation))
    model = keras.Sequential(layers)
    rate = {"learning_rate": settings["learning_rate"], "epsilon": settings["epsilon"]}
    optimiser = keras.optimizers.Adam(**rate, weight_decay=settings["weight_decay"])
    if settings["loss"] == "mean_squared_error":
        model.compile(optimizer=optimiser, loss="mean_squared_error")
    else:
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=settings["from_logits"])
        model.compile(optimizer=optimiser, loss=loss, metrics=["accuracy"])
    return model


def _set_weights(model, job):
    """Sets initial weights (PyTorch's layout: (out, in)); returns the name and the transposition of each variable."""
    names = []
    for number, layer in enumerate([layer for layer in model.layers if layer.weights], 1):
        for variable in layer.trainable_variables:
            kind = {"kernel": "weight", "gamma": "weight", "beta": "bias"}.get(variable.name, variable.name)
            name = f"{number}.{kind}"
            variable.assign(job[f"initial/{name}"].T)
            names.append((name, variable))
    return names


def _train(model, names, job, settings):
    kept, x, y = set(job["kept"].tolist()), job["x"].astype(settings["dtype"]), job["y"]
    losses, arrays, optimiser = [], {}, model.optimizer
    optimiser.build(model.trainable_variables)
    for step, row in enumerate(job["order"], 1):
        batch = row[row >= 0]
        before = _moments(optimiser, names) if step in kept else {}
        logs = model.train_on_batch(x[batch], y[batch], return_dict=True)
        losses.append(float(logs["loss"]))
        if step in kept:
            after = _moments(optimiser, names)
            for name, variable in names:
                gradient = (after[name] - optimiser.beta_1 * before[name]) / (1 - optimiser.beta_1)
                arrays.setdefault(f"gradient/{name}", []).append(gradient.T)
                arrays.setdefault(f"weight/{name}", []).append(np.asarray(variable).T)
        if step % 20 == 0 or step == len(job["order"]):
            print(f"step {step}", flush=True)
    steps = np.array(sorted(kept), dtype=np.int64)
    return {"loss": np.array(losses), "steps": steps} | {name: np.stack(values) for name, values in arrays.items()}


def _moments(optimiser, names):
    """Adam's first moments in float64, by parameter."""
    slots = optimiser._momentums  # no public name
    return {name: np.asarray(slots[optimiser._get_variable_index(variable)], np.float64) for name, variable in names}


if __name__ == "__main__":
    main(*sys.argv[1:])
