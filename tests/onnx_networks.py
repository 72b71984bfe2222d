"""ONNX's activations, norms, losses and attention in terms of ours: f(attributes, *inputs) for each operator."""


import tinygrad_nd as nd

DRAWN = "the numbers drawn are those of another generator"
COUNTS = {
    "Relu": 1, "LeakyRelu": 3, "Elu": 3, "Selu": 3, "Celu": 2, "Gelu": 4, "Mish": 1, "Swish": 1, "Softplus": 2, "Softsign": 2, "Sigmoid": 2,
    "HardSigmoid": 3, "HardSwish": 1, "Tanh": 2, "PRelu": 2, "ThresholdedRelu": 3, "Shrink": 2, "Erf": 1, "Softmax": 7, "LogSoftmax": 7,
    "Hardmax": 7, "BatchNormalization": 4, "InstanceNormalization": 2, "GroupNormalization": 2, "LayerNormalization": 19,
    "RMSNormalization": 19, "LRN": 2, "MeanVarianceNormalization": 1, "LpNormalization": 6, "Dropout": 12, "SoftmaxCrossEntropyLoss": 34,
    "NegativeLogLikelihoodLoss": 18,
}  # fmt: skip
NOT_EXPRESSED = {
    "test_celu_bfloat16": "NumPy has no bfloat16",
    **dict.fromkeys(["test_training_dropout", "test_training_dropout_default"], DRAWN),
    **dict.fromkeys(["test_training_dropout_mask", "test_training_dropout_default_mask"], DRAWN),
}


def batch_norm(a, x, scale, bias, mean, var):
    eps, kept = a.get("epsilon", 1e-5), a.get("momentum", 0.9)
    if not a.get("training_mode", 0):
        return nd.batch_norm(x, mean, var, scale, bias, eps=eps)
    new_mean, new_var = nd.tensor(mean), nd.tensor(var)
    y = nd.batch_norm(x, new_mean, new_var, scale, bias, True, 1 - kept, eps)
    count = x.size // x.shape[1]  # ONNX keeps the variance of the batch, PyTorch the estimate from it
    return y, new_mean, (kept * var + (new_var.data - kept * var) * (count - 1) / count).astype(var.dtype)


def layer_norm(a, x, scale, bias=None):
    return nd.layer_norm(x, x.shape[a.get("axis", -1) :], scale, bias, a.get("epsilon", 1e-5))


def hardmax(a, x):
    axis = a.get("axis", -1)
    return nd.moveaxis(nd.data.one_hot(nd.argmax(x, axis), x.shape[axis]), -1, axis).astype(x.dtype)


def shrink(a, x):
    width, bias = a.get("lambd", 0.5), a.get("bias", 0.0)
    assert bias in (0, width)
    return nd.softshrink(x, width) if bias else nd.hardshrink(x, width)


def prelu(a, x, slope):
    return nd.prelu(x, slope.reshape((1,) * (x.ndim - slope.ndim) + slope.shape))


def selu(a, x):
    return nd.elu(x, a["alpha"]) * a["gamma"] if a else nd.selu(x)


def loss_of(f):
    def run(a, x, labels, weight=None):
        k = {"reduction": a.get("reduction", b"mean").decode()}
        return f(x, labels, weight, **k, ignore_index=a.get("ignore_index", -100)), nd.log_softmax(x, 1)

    return run


RUN = {
    "Relu": lambda a, x: nd.relu(x),
    "LeakyRelu": lambda a, x: nd.leaky_relu(x, a.get("alpha", 0.01)),
    "Elu": lambda a, x: nd.elu(x, a.get("alpha", 1.0)),
    "Selu": selu,
    "Celu": lambda a, x: nd.celu(x, a.get("alpha", 1.0)),
    "Gelu": lambda a, x: nd.gelu(x, a.get("approximate", b"none").decode()),
    "Mish": lambda a, x: nd.mish(x),
    "Swish": lambda a, x: nd.silu(x * a["alpha"]) / a["alpha"],
    "Softplus": lambda a, x: nd.softplus(x),
    "Softsign": lambda a, x: nd.softsign(x),
    "Sigmoid": lambda a, x: nd.sigmoid(x),
    "HardSigmoid": lambda a, x: nd.hard_sigmoid((x * a.get("alpha", 0.2) + a.get("beta", 0.5)) * 6 - 3),
    "HardSwish": lambda a, x: nd.hard_swish(x),
    "Tanh": lambda a, x: nd.tanh(x),
    "PRelu": prelu,
    "ThresholdedRelu": lambda a, x: nd.threshold(x, a.get("alpha", 1.0), 0),
    "Shrink": shrink,
    "Erf": lambda a, x: nd.erf(x),
    "Softmax": lambda a, x: nd.softmax(x, a.get("axis", -1)),
    "LogSoftmax": lambda a, x: nd.log_softmax(x, a.get("axis", -1)),
    "Hardmax": hardmax,
    "BatchNormalization": batch_norm,
    "InstanceNormalization": lambda a, x, s, b: nd.instance_norm(x, None, None, s, b, eps=a.get("epsilon", 1e-5)),
    "GroupNormalization": lambda a, x, s, b: nd.group_norm(x, a["num_groups"], s, b, a.get("epsilon", 1e-5)),
    "LayerNormalization": layer_norm,
    "RMSNormalization": lambda a, x, s: nd.rms_norm(x, x.shape[a.get("axis", -1) :], s, a.get("epsilon", 1e-5)),
    "LRN": lambda a, x: nd.local_response_norm(x, a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0)),
    "MeanVarianceNormalization": lambda a, x: nd.batch_norm(x, None, None, training=True, eps=1e-9),
    "LpNormalization": lambda a, x: nd.normalize(x, a.get("p", 2), a.get("axis", -1)),
    "Dropout": lambda a, x, p=0.5, training=False: nd.dropout(x, float(p), bool(training), rng=a.get("seed")),
    "SoftmaxCrossEntropyLoss": loss_of(nd.cross_entropy),
    "NegativeLogLikelihoodLoss": lambda a, *inputs: loss_of(nd.nll_loss)(a, *inputs)[0],
}
