"""The engines that defcn is measured beside.  Each opens the network for a
number of threads, runs it on the input it was given, and names its version;
what it needs is imported when it is asked for; a precision that it has not is
float32 there.

How to add one: a class with the same arguments, run() and version, a row in
PEERS and its packages in run.sh.
"""
import numpy as np

import network


def nchw(array):
    return np.ascontiguousarray(array.transpose(0, 3, 1, 2))


class OnnxRuntime:
    def __init__(self, steps, arrays, threads, precision):
        import onnxruntime
        self.version = f"onnxruntime {onnxruntime.__version__}"
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(
            network.to_onnx(steps, arrays).SerializeToString(), options,
            ["CPUExecutionProvider"])
        self.names = [output.name for output in self.session.get_outputs()]
        self.picture = nchw(arrays["y0"])

    def run(self):
        values = self.session.run(self.names, {"t0": self.picture})
        return dict(zip(self.names, values))


class OpenVino:
    def __init__(self, steps, arrays, threads, precision):
        import openvino
        self.version = f"OpenVINO {openvino.__version__.split('-')[0]}"
        if precision != "fp32":
            self.version += f" {precision}"
        core = openvino.Core()
        model = core.read_model(
            network.to_onnx(steps, arrays).SerializeToString())
        compiled = core.compile_model(model, "CPU", {
            "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT":
                {"fp32": "f32", "bf16": "bf16"}[precision]})
        self.request = compiled.create_infer_request()
        self.names = [output.get_any_name() for output in compiled.outputs]
        self.picture = nchw(arrays["y0"])

    def run(self):
        values = self.request.infer([self.picture], share_inputs=True)
        return dict(zip(self.names, values.to_tuple()))


class OpenCv:
    def __init__(self, steps, arrays, threads, precision):
        import cv2
        self.version = f"OpenCV {cv2.__version__}"
        cv2.setNumThreads(threads)
        model = network.to_onnx(steps, arrays)
        self.names = [output.name for output in model.graph.output]
        self.net = cv2.dnn.readNetFromONNX(
            np.frombuffer(model.SerializeToString(), np.uint8))
        self.net.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
        self.picture = nchw(arrays["y0"])

    def run(self):
        self.net.setInput(self.picture)
        return dict(zip(self.names, self.net.forward(self.names)))


class PyTorch:
    """In channels_last, which its convolutions are faster in."""

    def __init__(self, steps, arrays, threads, precision):
        import torch
        self.torch = torch
        self.version = f"PyTorch {torch.__version__}"
        torch.set_num_threads(threads)
        self.network = network.to_torch(steps, arrays, "cpu", torch.float32)
        self.names = [f"t{number}" for number in network.head_numbers(arrays)]
        self.picture = torch.tensor(nchw(arrays["y0"])).contiguous(
            memory_format=torch.channels_last)

    def run(self):
        with self.torch.inference_mode():
            values = self.network(self.picture)
        return {name: value.numpy()
                for name, value in zip(self.names, values)}


PEERS = {"onnxruntime": OnnxRuntime, "openvino": OpenVino, "opencv": OpenCv,
         "torch": PyTorch}
