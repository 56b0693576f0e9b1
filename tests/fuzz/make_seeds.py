#!/usr/bin/env python3
"""Writes the fuzzers' corpus: one small file of each kind that is read.

usage: make_seeds.py          (into the folder corpus beside it)

What a fuzzer found on its way to a fault is kept under a name that starts with
"found-"; this script leaves such files alone.  Only Python's own library is
needed: classes of torch and numpy are stood in for by their names.
"""
import io
import json
import pathlib
import pickle
import struct
import sys
import types
import zipfile
import zlib

CORPUS = pathlib.Path(__file__).resolve().parent / 'corpus'


def write(fuzzer, name, data):
    folder = CORPUS / fuzzer
    folder.mkdir(parents=True, exist_ok=True)
    if isinstance(data, str):
        data = data.encode()
    (folder / name).write_bytes(data)


# Model files.

def safetensors(header, data=b''):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack('<Q', len(text)) + text + data


def entry(dtype, shape, begin, end):
    return {'dtype': dtype, 'shape': shape, 'data_offsets': [begin, end]}


SPEC = {
    'depth': 18, 'groups': 1, 'group_width': 64, 'stem_channels': 64,
    'res2_channels': 64, 'stride_in_1x1': False, 'freeze_at': 2,
    'fpn_channels': 32, 'p6_from_c5': False, 'tower_depth': 1,
    'norm_groups': 8, 'norm_reg_targets': True, 'filter': True,
    'filter_norm': True, 'tau': 2, 'phi': 3, 'threshold': 0.05, 'topk': 1000,
    'max_detections': 100, 'nms_iou': 0, 'short_edge': 320, 'long_edge': 640,
    'divisor': 32, 'bgr': False, 'backbone': 'resnet', 'mean': [1, 2, 3],
    'std': [1, 1, 1], 'labels': ['person'],
}


def weights():
    write('weights', 'empty', b'')
    write('weights', 'no-tensors', safetensors({}))
    write('weights', 'kinds', safetensors({
        'a': entry('F32', [2, 1], 0, 8), 'b': entry('F16', [2], 8, 12),
        'c': entry('BF16', [1, 1, 2], 12, 16), 'd': entry('I64', [], 16, 24),
        'e': entry('U8', [0], 24, 24)}, struct.pack('<2f', 1, -2) + bytes(16)))
    write('weights', 'infinite', safetensors(
        {'a': entry('F32', [1], 0, 4)}, struct.pack('<f', float('inf'))))
    write('weights', 'spec', safetensors(
        {'__metadata__': {'format': 'pt', 'defcn.spec': json.dumps(SPEC)}}))
    write('weights', 'overlap', safetensors({
        'a': entry('F32', [1], 0, 4), 'b': entry('F32', [1], 2, 6)}, bytes(6)))
    write('weights', 'overflow', safetensors(
        {'a': entry('U8', [2 ** 40, 2 ** 40], 0, 0)}))
    write('weights', 'deep', safetensors(b'[' * 500))
    write('weights', 'long-header', struct.pack('<Q', 2 ** 63) + b'{}')


# Models and frames.

def models():
    """The smallest model is written by make_model."""
    huge = dict(SPEC, depth=152, groups=1024, group_width=1024,
                stem_channels=4096, res2_channels=4096)
    write('model', 'nothing-behind', safetensors(
        {'__metadata__': {'format': 'pt', 'defcn.spec': json.dumps(huge)}}))
    write('model', 'no-spec', safetensors({}))


def frames():
    def integer(kind, value, name):
        return bytes([kind]) + struct.pack('>I', value) + bytes([name])

    def edge(value, name):
        return b'\2' + struct.pack('>H', value) + bytes([name])

    # A mark of one object with the ids 1 and 2, and its box.
    mark = (b'\0\3' + integer(1, 0, 1) + integer(1, 1, 4)
            + b'\6\0\2' + struct.pack('>II', 1, 2) + b'\2')
    box = (b'\4' + edge(6000, 14) + edge(30000, 15) + edge(7000, 16)
           + edge(40000, 17))
    boxes = b'\1\2' + integer(1, 0, 1) + b'\6\x08\1' + box + b'\0'
    for i in (0, 20, 40, 60, 80, 100):
        write('frames', f'plain-{i}', bytes([i, 9, 7, 0, 2]) + mark + boxes)
        write('frames', f'meta-{i}', bytes([i, 9, 7, 14]) + bytes(
            [0x11, 0, 0, 0, 8, 0, 0, 3, 232, 0]) + struct.pack(
                '>HHII', 2, 4, 8, 8) + bytes([1]) + b'label   ' + struct.pack(
                    '>IIIIII', 1, 2, 3, 4, 2 ** 31 - 1, 7) + b'\2'
            + mark + boxes)


# Foreign weights: classes whose pickles name torch's and numpy's.

def stand_in(module, name, kind=type):
    folder = sys.modules
    parts = module.split('.')
    for i in range(1, len(parts) + 1):
        folder.setdefault('.'.join(parts[:i]),
                          types.ModuleType('.'.join(parts[:i])))
    if kind is type:
        thing = type(name, (), {})
    else:
        def thing(*args):
            return args
        thing.__name__ = thing.__qualname__ = name
    thing.__module__ = module
    setattr(folder[module], name, thing)
    return thing


FLOAT = stand_in('torch', 'FloatStorage')
HALF = stand_in('torch', 'HalfStorage')
REBUILD = stand_in('torch._utils', '_rebuild_tensor_v2', 'function')
RECONSTRUCT = stand_in('numpy.core.multiarray', '_reconstruct', 'function')
NDARRAY = stand_in('numpy', 'ndarray')
DTYPE = stand_in('numpy', 'dtype')


class Storage:
    def __init__(self, kind, key, count):
        self.id = ('storage', kind, key, 'cpu', count)


class Tensor:
    def __init__(self, storage, offset, size, stride):
        self.args = (storage, offset, size, stride, False, {})

    def __reduce__(self):
        return REBUILD, self.args


class Type:
    def __reduce__(self):
        return DTYPE, ('f4', False, True), (3, '<', None, None, None, -1, -1, 0)


class Array:
    def __init__(self, shape, data, fortran=False):
        self.state = (1, shape, Type(), fortran, data)

    def __reduce__(self):
        return RECONSTRUCT, (NDARRAY, (0,), b'b'), self.state


class Pickler(pickle.Pickler):
    def persistent_id(self, thing):
        return thing.id if isinstance(thing, Storage) else None


def pickled(thing, protocol=2):
    out = io.BytesIO()
    Pickler(out, protocol).dump(thing)
    return out.getvalue()


def torch_zip(thing, storages, method=zipfile.ZIP_STORED):
    out = io.BytesIO()
    members = {'data.pkl': pickled(thing), 'version': b'3\n'}
    members.update(('data/' + key, data) for key, data in storages.items())
    with zipfile.ZipFile(out, 'w') as archive:
        for name, data in members.items():  # ZipInfo: no date of today
            archive.writestr(zipfile.ZipInfo('m/' + name), data, method)
    return out.getvalue()


def torch_stream(thing, storages):
    machine = {'protocol_version': 1001, 'little_endian': True,
               'type_sizes': {'short': 2, 'int': 4, 'long': 4}}
    parts = [pickled(x) for x in (0x1950a86a20f9469cfc6c, 1001, machine, thing,
                                  list(storages))]
    for count, data in storages.values():
        parts.append(struct.pack('<q', count) + data)
    return b''.join(parts)


def small_state():
    """A stem, its norm and a class score: enough to be recognised."""
    return {'model': {
        'backbone.bottom_up.stem.conv1.weight':
            Tensor(Storage(FLOAT, '0', 12), 0, (1, 3, 2, 2), (12, 4, 2, 1)),
        'backbone.bottom_up.stem.conv1.norm.bias':
            Tensor(Storage(HALF, '1', 2), 1, (1,), (1,)),
        'head.cls_score.weight':
            Tensor(Storage(FLOAT, '0', 12), 2, (2, 1, 1, 1), (1, 1, 1, 1)),
    }, 'iteration': 7}


def npy(descr, fortran, shape, data, version=1):
    header = "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }\n" % (
        descr, fortran, shape)
    size = struct.pack('<H' if version == 1 else '<I', len(header))
    return b'\x93NUMPY' + bytes([version, 0]) + size + header.encode() + data


def foreign():
    floats, halves = struct.pack('<12f', *range(12)), bytes(4)
    write('pickle', 'torch-zip',
          torch_zip(small_state(), {'0': floats, '1': halves}))
    write('pickle', 'torch-zip-compressed',
          torch_zip(small_state(), {'0': floats, '1': halves},
                    zipfile.ZIP_DEFLATED))
    write('pickle', 'torch-stream', torch_stream(
        small_state(), {'0': (12, floats), '1': (2, halves)}))
    write('pickle', 'torch-strides', torch_zip(
        {'conv1.weight': Tensor(Storage(FLOAT, '0', 12), 1, (2, 3), (1, 4)),
         'layer1.0.conv1.weight':
             Tensor(Storage(FLOAT, '0', 12), 0, (3, 9), (0, 1))},
        {'0': floats}))
    arrays = {'conv1_w': Array((1, 3, 2, 2), floats),
              'res_conv1_bn_s': Array((1,), floats[:4], True),
              'res2_0_branch2a_w': Array((1, 1, 1, 1), floats[4:8])}
    for protocol in 2, 4:
        write('pickle', 'caffe2-%d' % protocol,
              pickled({'blobs': arrays}, protocol))
    write('pickle', 'protocol-0', pickled(
        {'a': [1, -2, 3.5, None, True, 'x\\y', b'z', 2 ** 70]}, 0))
    write('pickle', 'values', pickled(
        [{}, [], (), (1,), (1, 2), (1, 2, 3), {'k': [[], {}]}, 'text', 2 ** 40,
         -1, 0.25], 4))
    write('pickle', 'command', b"\x80\x02cos\nsystem\n(S'true'\ntR.")
    write('pickle', 'self', b'}q\x00X\x05\x00\x00\x00modelh\x00s.')
    write('pickle', 'npy-1', npy('<f4', False, '(2, 6)', floats))
    write('pickle', 'npy-2', npy('>f8', True, '(2,)', bytes(16), 2))
    write('pickle', 'npy-empty', npy('<f2', False, '()', bytes(2)))


# Annotations.

def coco():
    image = {'id': 3, 'file_name': 'a.jpg', 'width': 4, 'height': 5}
    box = {'id': 1, 'image_id': 3, 'category_id': 7, 'bbox': [0, 1, 2, 3],
           'area': 6, 'iscrowd': 0, 'segmentation': [[0, 0, 1, 0, 1, 1]]}
    crowd = dict(box, id=2, iscrowd=1,
                 segmentation={'counts': [1, 2], 'size': [4, 5]})
    whole = {'info': {'x': ['[', '"']}, 'images': [image],
             'categories': [{'id': 7, 'name': 'person'}],
             'annotations': [box, crowd]}
    write('coco', 'whole', json.dumps(whole))
    write('coco', 'reversed', json.dumps(dict(reversed(whole.items()))))
    write('coco', 'escapes', json.dumps(dict(whole, images=[
        dict(image, file_name='\\"\u00e9\u0001{}[],')])))
    write('coco', 'no-images', json.dumps(dict(whole, images=[])))
    write('coco', 'polygon-of-two',
          json.dumps(dict(whole, annotations=[dict(box, segmentation=[[1]])])))
    write('coco', 'boxes-only', json.dumps(dict(whole, annotations=[
        {k: v for k, v in box.items() if k != 'segmentation'}])))
    write('coco', 'cut', json.dumps(whole)[:-40])
    write('coco', 'numbers', json.dumps(dict(whole, annotations=[
        dict(box, bbox=[1e300, -1e300, 1e-300, 0], area=-1)])))
    write('coco', 'empty', '')


def drawings():
    write('drawing', 'empty', '')
    write('drawing', 'text', 'door: line 0.1,0.5 0.9,0.5 classes=person,a\\,b; '
          'yard: polygon 0,0 1,0 1,1 min-time=200 loitering=500 '
          'anchor=centre hysteresis=0\n')
    write('drawing', 'pixels', 'a: polygon 0,0 640,480 640,0 0,480 '
          'resolution=640x480;b: line 3,3 600,400')
    write('drawing', 'config', json.dumps({
        'resolution': '1280x720', 'anchor': 'head', 'classes': ['person'],
        'zones': [{'name': 'yard', 'points': [[0, 0], [1280, 0], [640, 720]],
                   'loitering': 300}],
        'lines': [{'name': 'door', 'points': [[0.5, 0], [0.5, 1]],
                   'classes': [], 'hysteresis': 0.5}]}))
    write('drawing', 'wrong', '{"zones": [{"name": "a", "points": [[0, 1e999], '
          '[1, "0"]]}]}')


def mot():
    row = '%d,%d,%g,%g,%g,%g,%g,%d,-1,-1\n'
    boxes = [(frame, i, 10 * i + frame, 20, 8, 16, i != 2, i)
             for frame in (1, 2, 4) for i in (1, 2, 7)]
    write('mot', 'classes', ''.join(row % box for box in boxes))
    write('mot', 'plain', ''.join(row % (box[:7] + (-1,)) for box in boxes))
    write('mot', 'blanks', '3 1 0 0 5 5\r\n\r\n1\t2\t0 0 5 -5\n')
    write('mot', 'twice', '1,1,0,0,5,5\n1,1,0,0,5,5\n')
    write('mot', 'large', '1,1,1e300,0,1e300,5\n')
    write('mot', 'empty', '')


def odgt():
    box = {'tag': 'person', 'fbox': [-1, 2, 30, 40], 'vbox': [0, 2, 9, 9],
           'hbox': [1, 1, 2, 2], 'extra': {'ignore': 0}, 'head_attr': {}}
    mask = {'tag': 'mask', 'fbox': [0, 0, 5, 5], 'extra': {'ignore': 1}}
    line = json.dumps({'ID': 'a,1', 'gtboxes': [box, mask]})
    write('odgt', 'two-lines', line + '\n' +
          json.dumps({'ID': 'b', 'gtboxes': []}) + '\n')
    write('odgt', 'no-newline', line)
    write('odgt', 'blank-lines', '\n\r\n' + line + '\r\n\n')
    write('odgt', 'cut', line[:-9])
    write('odgt', 'no-box', json.dumps({'ID': 'c', 'gtboxes': [{}]}))
    write('odgt', 'empty', '')


# Pictures.

def png(width, height, depth, color, rows, extra=b'', interlace=0):
    def chunk(name, data):
        return (struct.pack('>I', len(data)) + name + data +
                struct.pack('>I', zlib.crc32(name + data)))
    head = struct.pack('>IIBBBBB', width, height, depth, color, 0, 0,
                       interlace)
    return (b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + extra +
            chunk(b'IDAT', zlib.compress(rows, 9)) + chunk(b'IEND', b''))


def segment(marker, data):
    return bytes([0xff, marker]) + struct.pack('>H', len(data) + 2) + data


def jpeg(width, height, components, orientation=0, scan=b'\x03\x03'):
    """Baseline JPEG of one code for DC 0 and one for the end of a block."""
    table = bytes([1] + [0] * 15)
    exif = b'Exif\0\0II*\0\x08\0\0\0\x01\0' + struct.pack(
        '<HHIHH', 0x112, 3, 1, orientation, 0) + bytes(4)
    parts = [b'\xff\xd8']
    if orientation:
        parts.append(segment(0xe1, exif))
    parts += [
        segment(0xdb, bytes([0] + [1] * 64)),
        segment(0xc0, struct.pack('>BHHB', 8, height, width, components) +
                b''.join(bytes([i + 1, 0x11, 0]) for i in range(components))),
        segment(0xc4, b'\x00' + table + b'\x00'),
        segment(0xc4, b'\x10' + table + b'\x00'),
        segment(0xda, bytes([components]) +
                b''.join(bytes([i + 1, 0]) for i in range(components)) +
                b'\x00\x3f\x00'),
        scan, b'\xff\xd9']
    return b''.join(parts)


def pictures():
    palette = struct.pack('>I4s', 6, b'PLTE') + bytes(range(6))
    palette += struct.pack('>I', zlib.crc32(palette[4:]))
    write('picture', 'rgb.png', png(2, 2, 8, 2, (b'\0' + bytes(range(6))) * 2))
    write('picture', 'rgba-16.png', png(1, 1, 16, 6, b'\0' + bytes(8)))
    write('picture', 'grey-1.png', png(9, 1, 1, 0, b'\0\xaa\x80'))
    write('picture', 'palette.png', png(3, 1, 2, 3, b'\0\x10', palette))
    write('picture', 'interlaced.png', png(1, 1, 8, 0, b'\0\x07', b'', 1))
    write('picture', 'wide.png', png(20000, 1, 8, 0, b'\0'))
    write('picture', 'short.png', png(4, 4, 8, 2, b'\0'))
    write('picture', 'grey.jpg', jpeg(8, 8, 1))
    write('picture', 'three.jpg', jpeg(5, 7, 3))
    write('picture', 'four.jpg', jpeg(8, 8, 4))
    for orientation in 3, 6, 9:
        write('picture', 'turned-%d.jpg' % orientation,
              jpeg(9, 4, 1, orientation, b'\x0f'))
    write('picture', 'cut.jpg', jpeg(64, 64, 3)[:-4])
    # 2 x 1 without loss, as libwebp writes it: red, then blue
    write('picture', 'two.webp', bytes.fromhex(
        '524946461e000000574542505650384c110000002f010000000f10f3bfff'
        'f31f0e32a2ff0100'))
    write('picture', 'empty', b'')


# Boxes of other programs.

def results():
    write('results', 'coco', json.dumps([
        {'image_id': 1, 'category_id': 1, 'bbox': [1, 2, 3, 4], 'score': .5},
        {'image_id': 'x', 'category_id': 2, 'bbox': [1, 2, 3, 4],
         'score': 1e-3, 'segmentation': [[1, 2]]}]))
    write('results', 'lines', json.dumps(
        {'ID': 'a', 'width': 9, 'height': 9,
         'dtboxes': [{'box': [1, 2, 3, 4], 'score': .5}]}) + '\n\n')
    write('results', 'none', '[]')
    write('results', 'unknown', '[{"image_id":3}]')


def voc():
    write('voc', 'whole.xml', '<annotation><filename>a.png</filename><size>'
          '<width>9</width><height>8</height></size><object><name>owl</name>'
          '<difficult>1</difficult><bndbox><xmin>1</xmin><ymin>2</ymin>'
          '<xmax>3</xmax><ymax>4</ymax></bndbox></object></annotation>')
    write('voc', 'up.xml', '<annotation><filename>../a.png</filename>'
          '</annotation>')
    write('voc', 'lines.txt', '0 .5 .5 .2 .2\n\n3 .1 .1 .2 .1 .2 .4\nx\n')


def yaml():
    write('yaml', 'list.yaml', 'train: ../train/images\nval:\n  - a\n  - b\n'
          'nc: 2\nnames: [cat, "a dog"]\n')
    write('yaml', 'mapping.yaml', 'path: &p ../set\ntrain: *p\nnames:\n'
          '  0: cat\n  3: dog\nkpt_shape: [17, 3]\n')
    write('yaml', 'cut.yaml', 'names: [cat, "a')
    write('yaml', 'wide.yaml', 'names: [cat]'.encode('utf-16'))


if __name__ == '__main__':
    weights()
    models()
    frames()
    foreign()
    coco()
    mot()
    drawings()
    odgt()
    pictures()
    results()
    voc()
    yaml()
