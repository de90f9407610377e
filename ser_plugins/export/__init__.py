"""From a finished training to a model that others load: its folder, its card, and one ONNX file without torch."""
