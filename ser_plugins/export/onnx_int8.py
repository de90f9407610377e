"""Weights of an ONNX graph that are stored in 8 bits and computed with as they were: which ones, and how."""

import numpy as np

RECURRENT = ("GRU", "LSTM", "RNN")


def recurrent_weights(graph) -> dict[str, int]:
    """The weights of recurrent layers: name -> axis of the output."""
    return {
        name: 1  # (1, gates * hidden, inputs)
        for node in graph.node
        if node.op_type in RECURRENT
        for name in node.input[1:3]
    }


def encoder_weights(graph) -> dict[str, int]:
    """The matrices and kernels of pretrained encoders: name -> axis of the output."""
    shapes = {value.name: value.dims for value in graph.initializer}
    axes = {}
    for node in graph.node:
        inside = "/features/" in node.name and "/log_mel/" not in node.name
        weight = node.input[1] if len(node.input) > 1 else ""
        if inside and node.op_type in ("MatMul", "Conv") and weight in shapes:
            axes[weight] = 1 if node.op_type == "MatMul" else 0
    return axes


def store_in_int8(graph, axes: dict[str, int]) -> None:
    """Replace weights by 8-bit integers and a scale per row of the output, whose product is taken beside them.

    That is a cast and a multiplication, which onnxruntime does once, at loading. The one operator that says the same,
    DequantizeLinear, it may join with the product behind it, and then rounds the frames as well.
    """
    import onnx

    weights = {value.name: value for value in graph.initializer}
    for name, axis in axes.items():
        values = onnx.numpy_helper.to_array(weights[name])
        reduced = tuple(number for number in range(values.ndim) if number != axis)
        scale = np.abs(values).max(axis=reduced, keepdims=True).clip(min=np.finfo(np.float32).tiny) / np.float32(127)
        graph.initializer.remove(weights[name])
        rounded = np.rint(values / scale).astype(np.int8)
        graph.initializer.append(onnx.numpy_helper.from_array(rounded, f"{name}_int8"))
        graph.initializer.append(onnx.numpy_helper.from_array(scale, f"{name}_scale"))
        product = onnx.helper.make_node("Mul", [f"{name}_float", f"{name}_scale"], [name])
        cast = onnx.helper.make_node("Cast", [f"{name}_int8"], [f"{name}_float"], to=onnx.TensorProto.FLOAT)
        graph.node.insert(0, product)
        graph.node.insert(0, cast)
