/* Frames to network input: YUV or RGB of any stride to RGB, resize, normalise
 * and pad in one kernel, with the very bits of DefcnScaler: up to the
 * normalisation all of it is integer arithmetic. */
#include "vector.cuh"

#include "scaler.h"

/* What the kernel reads of an image, in device memory: what differs from frame
 * to frame is no argument of a recorded launch. */
typedef struct
{
  DefcnFormat format;
  const guint8 *planes[3];
  int strides[3];
  DefcnYuvTable yuv;
  int x, y, w, h; /* the rectangle */
  int upright_w, upright_h;
  DefcnTurn turn;
  int taps_x, taps_y;
  const int *first_x, *first_y;
  const gint32 *weights_x, *weights_y;
  gboolean bgr;
  float mean[3], std[3];
} Frame;

/* The device's copy of what an image needs, kept for the next in its place. */
typedef struct
{
  guint8 *pixels;
  gsize pixels_size;
  guint8 *tables;
  gsize tables_size;
  int w, h, out_w, out_h; /* that the tables are for */
} Slot;

struct _CudaImages
{
  Frame *frames; /* on the device, one for each slot */
  Slot slots[CUDA_BATCH];
};

__device__ static inline int
clamp_byte (int x)
{
  return x < 0 ? 0 : x > 255 ? 255 : x;
}

/* A word of 16 bits, little-endian, without its @shift lowest, rounded. */
__device__ static inline int
narrow (const guint8 *word, int shift)
{
  return clamp_byte (((word[0] | word[1] << 8) + (1 << shift >> 1)) >> shift);
}

/* Where the channels of packed RGB are; FALSE for other formats. */
__device__ static inline bool
find_rgb (DefcnFormat format, int *step, int *r, int *g, int *b)
{
  const bool first = format == DEFCN_FORMAT_ARGB || format == DEFCN_FORMAT_ABGR;
  const bool swap = format == DEFCN_FORMAT_BGR || format == DEFCN_FORMAT_BGRA
      || format == DEFCN_FORMAT_ABGR;
  const bool dense = format == DEFCN_FORMAT_RGB || format == DEFCN_FORMAT_BGR;

  *step = dense ? 3 : 4;
  *r = first + (swap ? 2 : 0);
  *g = first + 1;
  *b = first + (swap ? 0 : 2);
  return first || swap || dense || format == DEFCN_FORMAT_RGBA;
}

/* Luma and chroma, 8 bits each, of a pixel of any other format. */
__device__ static inline void
read_yuv (int yuv[3], const Frame &f, int x, int y)
{
  const bool rows = f.format != DEFCN_FORMAT_Y42B
      && f.format != DEFCN_FORMAT_Y444; /* share chroma by twos */
  const gsize half = rows ? y / 2 : y;
  const guint8 *row = f.planes[0] + (gsize) y * f.strides[0];
  const guint8 *u = f.planes[1] + half * f.strides[1];
  const guint8 *v = f.planes[2] + half * f.strides[2];

  yuv[0] = row[x];
  yuv[1] = yuv[2] = 128;
  switch (f.format) {
    case DEFCN_FORMAT_YUY2:
      yuv[0] = row[2 * x];
      yuv[1] = row[4 * (x / 2) + 1];
      yuv[2] = row[4 * (x / 2) + 3];
      return;
    case DEFCN_FORMAT_UYVY:
      yuv[0] = row[2 * x + 1];
      yuv[1] = row[4 * (x / 2)];
      yuv[2] = row[4 * (x / 2) + 2];
      return;
    case DEFCN_FORMAT_NV12:
    case DEFCN_FORMAT_NV21: {
      const int first = f.format == DEFCN_FORMAT_NV21;

      yuv[1] = u[2 * (x / 2) + first];
      yuv[2] = u[2 * (x / 2) + 1 - first];
      return;
    }
    case DEFCN_FORMAT_I420:
    case DEFCN_FORMAT_Y42B:
      yuv[1] = u[x / 2];
      yuv[2] = v[x / 2];
      return;
    case DEFCN_FORMAT_Y444:
      yuv[1] = u[x];
      yuv[2] = v[x];
      return;
    case DEFCN_FORMAT_P010:
      yuv[0] = narrow (row + 2 * x, 8);
      yuv[1] = narrow (u + 4 * (x / 2), 8);
      yuv[2] = narrow (u + 4 * (x / 2) + 2, 8);
      return;
    case DEFCN_FORMAT_I420_10:
      yuv[0] = narrow (row + 2 * x, 2);
      yuv[1] = narrow (u + 2 * (x / 2), 2);
      yuv[2] = narrow (v + 2 * (x / 2), 2);
      return;
    default: /* GRAY8 */
      return;
  }
}

/* Channels R, G, B of the pixel at column @x, row @y of the whole image. */
__device__ static inline void
read_pixel (int *rgb, const Frame &f, int x, int y)
{
  int step, r, g, b, yuv[3];

  if (find_rgb (f.format, &step, &r, &g, &b)) {
    const guint8 *p = f.planes[0] + (gsize) y * f.strides[0] + (gsize) x * step;

    rgb[0] = p[r];
    rgb[1] = p[g];
    rgb[2] = p[b];
    return;
  }
  read_yuv (yuv, f, x, y);
  const int scaled = f.yuv.y * yuv[0] + (1 << 15) - f.yuv.offset * f.yuv.y;
  const int u = yuv[1] - 128, v = yuv[2] - 128;

  rgb[0] = clamp_byte ((scaled + f.yuv.rv * v) >> 16);
  rgb[1] = clamp_byte ((scaled + f.yuv.gu * u + f.yuv.gv * v) >> 16);
  rgb[2] = clamp_byte ((scaled + f.yuv.bu * u) >> 16);
}

#define ROUND (1 << (DEFCN_WEIGHT_BITS - 1))

/* Source row @y of the rectangle at output column @x, 8 bits a channel. */
__device__ static inline void
read_row (int *rgb, const Frame &f, int x, int y)
{
  const int first = f.first_x[x];
  const gint32 *weights = f.weights_x + (gsize) x * f.taps_x;
  int sum[3] = { ROUND, ROUND, ROUND }, pixel[3];

  for (int j = 0; j < f.taps_x && first + j < f.w; j++) {
    if (weights[j] == 0)
      continue;
    read_pixel (pixel, f, f.x + first + j, f.y + y);
    for (int c = 0; c < 3; c++)
      sum[c] += weights[j] * pixel[c];
  }
  for (int c = 0; c < 3; c++)
    rgb[c] = clamp_byte (sum[c] >> DEFCN_WEIGHT_BITS);
}

/* A pixel, with zeros in the channels beyond the third. */
template <typename T, int C>
__device__ static inline void
store_pixel (T *out, const float *rgb)
{
  if constexpr (C == 3) {
    for (int c = 0; c < 3; c++)
      out[c] = vector_from_float<T> (rgb[c]);
  } else {
    const float all[C] = { rgb[0], rgb[1], rgb[2] };

    vector_store<C> (out, all);
  }
}

/* One thread per pixel of the padded inputs (images, pad_h, pad_w, C); a
 * plane of the grid is an image. */
template <typename T, int C>
__global__ void
preprocess_kernel (T *__restrict__ dst, const Frame *__restrict__ frames,
    int pad_h, int pad_w)
{
  const Frame &f = frames[blockIdx.z];
  const int to_x = blockIdx.x * blockDim.x + threadIdx.x;
  const int to_y = blockIdx.y * blockDim.y + threadIdx.y;
  int sum[3] = { ROUND, ROUND, ROUND }, row[3];
  float rgb[3] = { 0 };

  if (to_x >= pad_w || to_y >= pad_h)
    return;
  T *out = dst + (((gsize) blockIdx.z * pad_h + to_y) * pad_w + to_x) * C;
  if (to_x >= f.upright_w || to_y >= f.upright_h) {
    store_pixel<T, C> (out, rgb);
    return;
  }
  const int x = f.turn.xx * to_x + f.turn.xy * to_y + f.turn.x0;
  const int y = f.turn.yx * to_x + f.turn.yy * to_y + f.turn.y0;
  const gint32 *weights = f.weights_y + (gsize) y * f.taps_y;
  for (int j = 0; j < f.taps_y && f.first_y[y] + j < f.h; j++) {
    if (weights[j] == 0)
      continue;
    read_row (row, f, x, f.first_y[y] + j);
    for (int c = 0; c < 3; c++)
      sum[c] += weights[j] * row[c];
  }
  for (int c = 0; c < 3; c++) {
    const int value = clamp_byte (sum[f.bgr ? 2 - c : c] >> DEFCN_WEIGHT_BITS);

    rgb[c] = (value - f.mean[c]) / f.std[c];
  }
  store_pixel<T, C> (out, rgb);
}

template <typename T, int C>
static void
launch (Cuda *be, const DefcnTensor *input, int first, int slot, int n)
{
  T *dst = (T *) input->data + (gsize) first * input->h * input->w * C;

  LAUNCH ((preprocess_kernel<T, C>),
      dim3 ((input->w + 31) / 32, (input->h + 7) / 8, n), dim3 (32, 8),
      be->stream)
  (dst, be->images->frames + slot, input->h, input->w);
}

/* Images @first on of the input, @n of them, from what slots @slot on have. */
static void
queue (Cuda *be, const DefcnTensor *input, int first, int slot, int n)
{
  const CudaType type = cuda_type_of (be, input);

  if (type == CUDA_FLOAT)
    launch<float, 3> (be, input, first, slot, n);
  else if (type == CUDA_HALF)
    launch<Half, CUDA_HALF_CHANNELS> (be, input, first, slot, n);
  else
    launch<Bfloat, CUDA_BFLOAT_CHANNELS> (be, input, first, slot, n);
}

/* What *@mem held is lost when it grows, and when it cannot. */
static gboolean
grow (guint8 **mem, gsize *size, gsize wanted)
{
  if (wanted <= *size)
    return TRUE;
  cudaFree (*mem);
  *size = 0;
  *mem = (guint8 *) cuda_device_alloc (wanted, "a frame", NULL);
  if (*mem)
    *size = wanted;
  return *mem != NULL;
}

/* Queues a copy of @rows rows of plane @i from row @first on. */
static void
copy_rows (Cuda *be, guint8 *dst, gsize stride, const DefcnImage *image, int i,
    int first, int rows)
{
  const guint8 *src = image->planes[i] + (gsize) first * image->strides[i];

  if (image->memory == DEFCN_MEMORY_CUDA)
    cuda_peer_copy (be, dst, stride, image, src, image->strides[i], stride,
        rows);
  else
    cuda_device_send_rows (be, dst, src, image->strides[i], stride, rows);
}

/* Copies the rows that the rectangle needs, densely; the planes then start
 * above them, as if the whole image were there. */
static gboolean
copy_planes (Cuda *be, Slot *slot, Frame *frame, const DefcnImage *image,
    const DefcnPreprocess *p)
{
  gsize size = 0, at[3];
  int first[3], rows[3];
  const int n_planes = defcn_image_planes (image->format);

  for (int i = 0; i < n_planes; i++) {
    const int shift = defcn_image_row_shift (image->format, i);

    first[i] = p->y >> shift;
    rows[i] = ((p->y + p->h - 1) >> shift) - first[i] + 1;
    at[i] = size;
    frame->strides[i] = defcn_image_row_bytes (image, i);
    size += ((gsize) rows[i] * frame->strides[i] + 255) / 256 * 256;
  }
  if (!grow (&slot->pixels, &slot->pixels_size, size))
    return FALSE;
  for (int i = 0; i < n_planes; i++) {
    guint8 *dst = slot->pixels + at[i];

    copy_rows (be, dst, frame->strides[i], image, i, first[i], rows[i]);
    frame->planes[i] = dst - (gsize) first[i] * frame->strides[i];
  }
  return TRUE;
}

/* The planes where the device reads them: where they are, or copied. */
static gboolean
place_planes (Cuda *be, Slot *slot, Frame *frame, const DefcnImage *image,
    const DefcnPreprocess *p)
{
  if (image->memory == DEFCN_MEMORY_HOST)
    return copy_planes (be, slot, frame, image, p);
  cuda_peer_wait (be, image);
  if (!cuda_peer_is_readable (be, image))
    return copy_planes (be, slot, frame, image, p);
  for (int i = 0; i < defcn_image_planes (image->format); i++) {
    frame->planes[i] = image->planes[i];
    frame->strides[i] = image->strides[i];
  }
  return TRUE;
}

static void
copy (Cuda *be, guint8 **next, const void *src, gsize bytes)
{
  cuda_device_send (be, *next, src, bytes);
  *next += bytes;
}

/* The filter tables, unless they are there from the last frame. */
static gboolean
copy_tables (Cuda *be, Slot *slot, Frame *frame, const DefcnPreprocess *p)
{
  const gsize n_x = p->out_w, n_y = p->out_h, each = sizeof (int);
  const gsize size = (n_x * (1 + p->taps_x) + n_y * (1 + p->taps_y)) * each;
  guint8 *next;

  if (size > slot->tables_size)
    slot->w = 0; /* they do not stay */
  if (!grow (&slot->tables, &slot->tables_size, size))
    return FALSE;
  next = slot->tables;
  frame->first_x = (const int *) next;
  frame->first_y = frame->first_x + n_x;
  frame->weights_x = frame->first_y + n_y;
  frame->weights_y = frame->weights_x + n_x * p->taps_x;
  if (slot->w == p->w && slot->h == p->h && slot->out_w == p->out_w
      && slot->out_h == p->out_h)
    return TRUE;
  copy (be, &next, p->first_x, n_x * each);
  copy (be, &next, p->first_y, n_y * each);
  copy (be, &next, p->weights_x, n_x * p->taps_x * each);
  copy (be, &next, p->weights_y, n_y * p->taps_y * each);
  slot->w = p->w;
  slot->h = p->h;
  slot->out_w = p->out_w;
  slot->out_h = p->out_h;
  return TRUE;
}

/* NULL without memory. */
static CudaImages *
images_get (Cuda *be)
{
  if (!be->images)
    be->images = g_new0 (CudaImages, 1);
  if (!be->images->frames)
    be->images->frames =
        (Frame *) cuda_device_alloc (CUDA_BATCH * sizeof (Frame), "frames",
            NULL);
  return be->images->frames ? be->images : NULL;
}

/* A frame without pixels: zeros. */
static gboolean
blank (Cuda *be, int at)
{
  CudaImages *images = images_get (be);
  const Frame frame = {};

  if (images)
    cuda_device_send (be, images->frames + at, &frame, sizeof frame);
  return images != NULL;
}

/* The image and all that there is to say of it, where the device reads it. */
static gboolean
place (Cuda *be, int at, const DefcnImage *image, const DefcnPreprocess *p)
{
  CudaImages *images = images_get (be);
  Frame frame = {};

  frame.format = image->format;
  frame.yuv = p->yuv;
  frame.x = p->x;
  frame.y = p->y;
  frame.w = p->w;
  frame.h = p->h;
  frame.upright_w = p->upright_w;
  frame.upright_h = p->upright_h;
  frame.turn = p->turn;
  frame.taps_x = p->taps_x;
  frame.taps_y = p->taps_y;
  frame.bgr = p->rule->bgr;
  for (int c = 0; c < 3; c++) {
    frame.mean[c] = p->rule->mean[c];
    frame.std[c] = p->rule->std[c];
  }
  if (!images || !place_planes (be, &images->slots[at], &frame, image, p)
      || !copy_tables (be, &images->slots[at], &frame, p))
    return FALSE;
  cuda_device_send (be, images->frames + at, &frame, sizeof frame);
  return TRUE;
}

gboolean
cuda_image_place (DefcnBackend *base, const DefcnTensor *input, int n,
    const DefcnImage *image, const DefcnPreprocess *p)
{
  Cuda *be = cuda_of (base);

  cuda_device_enter (be);
  if (input->n > CUDA_BATCH)
    return FALSE;
  return image ? place (be, n, image, p) : blank (be, n);
}

void
cuda_images_preprocess (DefcnBackend *base, const DefcnTensor *input)
{
  queue (cuda_of (base), input, 0, 0, input->n);
}

/* An image that comes to a slot in use comes behind it in the stream. */
gboolean
cuda_preprocess (DefcnBackend *base, const DefcnTensor *input, int n,
    const DefcnImage *image, const DefcnPreprocess *p)
{
  Cuda *be = cuda_of (base);
  const int slot = n % CUDA_BATCH;

  cuda_device_enter (be);
  if (!place (be, slot, image, p))
    return FALSE;
  queue (be, input, n, slot, 1);
  return TRUE;
}

void
cuda_images_free (CudaImages *images)
{
  if (!images)
    return;
  for (int i = 0; i < CUDA_BATCH; i++) {
    cudaFree (images->slots[i].pixels);
    cudaFree (images->slots[i].tables);
  }
  cudaFree (images->frames);
  g_free (images);
}
