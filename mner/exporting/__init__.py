"""Models as graphs that run without their Python code: ``torch.export`` and ONNX."""
