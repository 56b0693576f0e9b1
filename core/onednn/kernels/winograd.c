/* Winograd F(4x4, 3x3), points 0, 1, -1, 2, -2 and infinity: Y = A^T [(G g G^T)
 * * (B^T d B)] A (Lavin and Gray 2016). */
#include "lanes.h"

/* Tiles and inputs at once in gemm() and gemm_gradient(): what the registers
 * hold, two vectors each. */
#if LANES == 16
enum
{
  ROWS = 14,
  GRADIENT_ROWS = 8
};
#else
enum
{
  ROWS = 6,
  GRADIENT_ROWS = 4
};
#endif

/* o = B^T d */
INLINE void
transform_input (Vec *o, int o_step, const Vec *d, int step)
{
  const Vec d0 = d[0], d1 = d[step], d2 = d[2 * step], d3 = d[3 * step];
  const Vec d4 = d[4 * step], d5 = d[5 * step];
  const Vec a = d4 - 4 * d2, b = d3 - 4 * d1;
  const Vec c = d4 - d2, e = 2 * (d3 - d1);

  o[0] = 4 * d0 - 5 * d2 + d4;
  o[o_step] = a + b;
  o[2 * o_step] = a - b;
  o[3 * o_step] = c + e;
  o[4 * o_step] = c - e;
  o[5 * o_step] = 4 * d1 - 5 * d3 + d5;
}

/* o = A^T m */
INLINE void
transform_output (Vec *o, int o_step, const Vec *m, int step)
{
  const Vec m1 = m[step], m2 = m[2 * step], m3 = m[3 * step], m4 = m[4 * step];
  const Vec a = m1 + m2, b = m1 - m2, c = m3 + m4, d = m3 - m4;

  o[0] = m[0] + a + c;
  o[o_step] = b + 2 * d;
  o[2 * o_step] = a + 4 * c;
  o[3 * o_step] = b + 8 * d + m[5 * step];
}

/* o = A y */
INLINE void
transform_gradient (Vec *o, int o_step, const Vec *y, int step)
{
  const Vec y0 = y[0], y1 = y[step], y2 = y[2 * step], y3 = y[3 * step];
  const Vec a = y0 + y2, b = y1 + y3, c = y0 + 4 * y2, d = 2 * y1 + 8 * y3;

  o[0] = y0;
  o[o_step] = a + b;
  o[2 * o_step] = a - b;
  o[3 * o_step] = c + d;
  o[4 * o_step] = c - d;
  o[5 * o_step] = y3;
}

/* o = G g */
INLINE void
transform_weight (Vec *o, int o_step, const Vec *g, int step)
{
  const Vec g0 = g[0], g1 = g[step], g2 = g[2 * step];
  const Vec a = (g0 + g2) * (-1.0f / 6), b = g1 * (1.0f / 6);
  const Vec c = g0 * (1.0f / 24) + g2 * (1.0f / 6), d = g1 * (1.0f / 12);

  o[0] = g0 * 0.25f;
  o[o_step] = a - b;
  o[2 * o_step] = a + b;
  o[3 * o_step] = c + d;
  o[4 * o_step] = c - d;
  o[5 * o_step] = g2;
}

/* o = G^T u */
INLINE void
transform_weight_gradient (Vec *o, int o_step, const Vec *u, int step)
{
  const Vec u1 = u[step], u2 = u[2 * step], u3 = u[3 * step], u4 = u[4 * step];
  const Vec a = (u1 + u2) * (-1.0f / 6), c = (u3 + u4) * (1.0f / 24);

  o[0] = u[0] * 0.25f + a + c;
  o[o_step] = (u2 - u1) * (1.0f / 6) + (u3 - u4) * (1.0f / 12);
  o[2 * o_step] = a + 4 * c + u[5 * step];
}

/* Where a tile's output begins. */
typedef struct
{
  int image, y, x;
} Place;

INLINE Place
place_of (const WinogradMap *map, int tile)
{
  const int per_image = map->tiles_x * map->tiles_y;
  const int in_image = tile % per_image;

  return (Place){ tile / per_image, in_image / map->tiles_x * 4,
    in_image % map->tiles_x * 4 };
}

INLINE void
next_place (Place *p, const WinogradMap *map)
{
  p->x += 4;
  if (p->x < map->w)
    return;
  p->x = 0;
  p->y += 4;
  if (p->y < map->h)
    return;
  p->y = 0;
  p->image++;
}

/* Pixels of a square of @side from (y, x) on, zero outside of the map. */
INLINE void
gather (Vec *d, const float *plane, const WinogradMap *map, int y, int x,
    const int side)
{
  const gboolean inside =
      y >= 0 && x >= 0 && y + side <= map->h && x + side <= map->w;

  for (int i = 0; i < side; i++) {
    for (int j = 0; j < side; j++) {
      const int r = y + i, c = x + j;

      d[i * side + j] = inside || (r >= 0 && r < map->h && c >= 0 && c < map->w)
          ? lanes_load (plane + ((gssize) r * map->w + c) * LANES)
          : lanes_zero ();
    }
  }
}

static void
input (float *v, gsize stride, const float *x, const WinogradMap *map,
    int first, int n)
{
  const gsize plane = (gsize) map->h * map->w * LANES;
  const int channels = map->blocks * LANES;

  for (int block = 0; block < map->blocks; block++) {
    Place p = place_of (map, first);

    for (int t = 0; t < n; t++, next_place (&p, map)) {
      float *to = v + (gsize) t * channels + block * LANES;
      Vec d[36], e[36], o[6];

      gather (d, x + ((gsize) p.image * map->blocks + block) * plane, map,
          p.y - 1, p.x - 1, 6);
      for (int j = 0; j < 6; j++)
        transform_input (e + j, 6, d + j, 6);
      for (int i = 0; i < 6; i++) {
        transform_input (o, 1, e + 6 * i, 1);
        for (int j = 0; j < 6; j++)
          lanes_store (to + (6 * i + j) * stride, o[j]);
      }
    }
  }
}

static void
output_gradient (float *v, gsize stride, const float *dy,
    const WinogradMap *map, int first, int n)
{
  const gsize plane = (gsize) map->h * map->w * LANES;
  const int channels = map->blocks * LANES;

  for (int block = 0; block < map->blocks; block++) {
    Place p = place_of (map, first);

    for (int t = 0; t < n; t++, next_place (&p, map)) {
      float *to = v + (gsize) t * channels + block * LANES;
      Vec d[16], e[24], o[6];

      gather (d, dy + ((gsize) p.image * map->blocks + block) * plane, map, p.y,
          p.x, 4);
      for (int j = 0; j < 4; j++)
        transform_gradient (e + j, 4, d + j, 4);
      for (int i = 0; i < 6; i++) {
        transform_gradient (o, 1, e + 4 * i, 1);
        for (int j = 0; j < 6; j++)
          lanes_store (to + (6 * i + j) * stride, o[j]);
      }
    }
  }
}

static void
output (float *y, const float *m, gsize stride, const float *bias,
    const float *add, gboolean relu, const float *mask, const WinogradMap *map,
    int first, int n)
{
  const gsize plane = (gsize) map->h * map->w * LANES;
  const int channels = map->blocks * LANES;

  for (int block = 0; block < map->blocks; block++) {
    const Vec b = bias ? lanes_load (bias + block * LANES) : lanes_zero ();
    Place p = place_of (map, first);

    for (int t = 0; t < n; t++, next_place (&p, map)) {
      const float *from = m + (gsize) t * channels + block * LANES;
      const gsize corner = ((gsize) p.image * map->blocks + block) * plane
          + ((gsize) p.y * map->w + p.x) * LANES;
      const int rows = MIN (4, map->h - p.y), columns = MIN (4, map->w - p.x);
      Vec d[36], e[24], o[4];

      for (int i = 0; i < 36; i++)
        d[i] = lanes_load (from + i * stride);
      for (int j = 0; j < 6; j++)
        transform_output (e + j, 6, d + j, 6);
      for (int i = 0; i < rows; i++) {
        transform_output (o, 1, e + 6 * i, 1);
        for (int j = 0; j < columns; j++) {
          const gsize at = corner + ((gsize) i * map->w + j) * LANES;
          Vec value = o[j] + b;

          if (add)
            value += lanes_load (add + at);
          if (mask)
            value = lanes_masked (value, lanes_load (mask + at));
          lanes_store (y + at, relu ? lanes_rectify (value) : value);
        }
      }
    }
  }
}

/* The weights of many channels come from the last cache or from memory, and in
 * an order that the hardware foresees badly: this many floats ahead. */
#define AHEAD 1024

/* @rows tiles times @width vectors of outputs. */
INLINE void
gemm_tile (float *m, const float *v, const float *u, int in, int out,
    const int rows, const int width)
{
  Vec sum[ROWS][2];

  for (int r = 0; r < rows; r++)
    sum[r][0] = sum[r][1] = lanes_zero ();
  for (int i = 0; i < in; i++) {
    const float *here = u + (gsize) i * width * LANES;
    const Vec u0 = lanes_load (here);
    const Vec u1 = width > 1 ? lanes_load (here + LANES) : u0;

    for (int k = 0; k < width * LANES; k += 16)
      __builtin_prefetch (here + AHEAD + k);

    for (int r = 0; r < rows; r++) {
      const float x = v[(gsize) r * in + i];

      sum[r][0] += x * u0;
      if (width > 1)
        sum[r][1] += x * u1;
    }
  }
  for (int r = 0; r < rows; r++) {
    lanes_store (m + (gsize) r * out, sum[r][0]);
    if (width > 1)
      lanes_store (m + (gsize) r * out + LANES, sum[r][1]);
  }
}

/* As many tiles as there are cases; an odd number takes one more with it. */
INLINE void
gemm_tiles (float *m, const float *v, const float *u, int in, int out, int rows,
    const int width)
{
  switch ((rows + 1) / 2) {
#if LANES == 16
    case 7:
      gemm_tile (m, v, u, in, out, 14, width);
      break;
    case 6:
      gemm_tile (m, v, u, in, out, 12, width);
      break;
    case 5:
      gemm_tile (m, v, u, in, out, 10, width);
      break;
    case 4:
      gemm_tile (m, v, u, in, out, 8, width);
      break;
#endif
    case 3:
      gemm_tile (m, v, u, in, out, 6, width);
      break;
    case 2:
      gemm_tile (m, v, u, in, out, 4, width);
      break;
    default:
      gemm_tile (m, v, u, in, out, 2, width);
      break;
  }
}

/* Shares of tiles as even as can be: few at once use the registers badly. */
static void
gemm (float *m, const float *v, const float *u, int n, int in, int out)
{
  const int shares = (n + ROWS - 1) / ROWS;
  const int rows = ((n + shares - 1) / shares + 1) / 2 * 2;
  int o = 0;

  for (; o + 2 * LANES <= out; o += 2 * LANES)
    for (int t = 0; t < n; t += rows)
      gemm_tiles (m + (gsize) t * out + o, v + (gsize) t * in,
          u + (gsize) o * in, in, out, MIN (rows, n - t), 2);
  for (int t = 0; t < n && o < out; t += rows)
    gemm_tiles (m + (gsize) t * out + o, v + (gsize) t * in, u + (gsize) o * in,
        in, out, MIN (rows, n - t), 1);
}

INLINE void
gemm_gradient_tile (float *u, const float *v, const float *dm,
    gboolean accumulate, int n, int in, int out, const int width)
{
  Vec sum[GRADIENT_ROWS][2];

  for (int r = 0; r < GRADIENT_ROWS; r++) {
    const float *from = u + (gsize) r * width * LANES;

    sum[r][0] = accumulate ? lanes_load (from) : lanes_zero ();
    sum[r][1] =
        accumulate && width > 1 ? lanes_load (from + LANES) : lanes_zero ();
    for (int k = 0; k < width * LANES; k += 16)
      __builtin_prefetch (from + GRADIENT_ROWS * width * LANES + k, 1);
  }
  for (int t = 0; t < n; t++) {
    const Vec d0 = lanes_load (dm + (gsize) t * out);
    const Vec d1 = width > 1 ? lanes_load (dm + (gsize) t * out + LANES) : d0;

    for (int r = 0; r < GRADIENT_ROWS; r++) {
      const float x = v[(gsize) t * in + r];

      sum[r][0] += x * d0;
      if (width > 1)
        sum[r][1] += x * d1;
    }
  }
  for (int r = 0; r < GRADIENT_ROWS; r++) {
    lanes_store (u + (gsize) r * width * LANES, sum[r][0]);
    if (width > 1)
      lanes_store (u + (gsize) r * width * LANES + LANES, sum[r][1]);
  }
}

/* Pieces of tiles that stay in the first cache. */
static void
gemm_gradient (float *u, const float *v, const float *dm, gboolean accumulate,
    int n, int in, int out)
{
  enum
  {
    PIECE = 96
  };

  for (int t = 0; t < n; t += PIECE) {
    const int piece = MIN (PIECE, n - t);
    const float *vt = v + (gsize) t * in, *dt = dm + (gsize) t * out;
    int o = 0;

    for (; o + 2 * LANES <= out; o += 2 * LANES)
      for (int i = 0; i < in; i += GRADIENT_ROWS)
        gemm_gradient_tile (u + (gsize) o * in + (gsize) i * 2 * LANES, vt + i,
            dt + o, accumulate || t > 0, piece, in, out, 2);
    for (int i = 0; i < in && o < out; i += GRADIENT_ROWS)
      gemm_gradient_tile (u + (gsize) o * in + (gsize) i * LANES, vt + i,
          dt + o, accumulate || t > 0, piece, in, out, 1);
  }
}

/* Where output block @block of input 0 stands in u, and how far apart the
 * inputs are. */
INLINE gsize
panel (int *step, int block, int in_channels, int out_channels)
{
  const gboolean single = block % 2 == 0 && (block + 1) * LANES == out_channels;

  *step = single ? LANES : 2 * LANES;
  return (gsize) (block / 2) * 2 * LANES * in_channels + block % 2 * LANES;
}

INLINE int
padded (int channels)
{
  return (channels + LANES - 1) / LANES * LANES;
}

/* g: 9 taps, lanes are outputs. */
INLINE void
store_weight (float *u, gsize stride, const Vec *g)
{
  Vec e[18], o[6];

  for (int j = 0; j < 3; j++)
    transform_weight (e + j, 3, g + j, 3);
  for (int i = 0; i < 6; i++) {
    transform_weight (o, 1, e + 3 * i, 1);
    for (int j = 0; j < 6; j++)
      lanes_store (u + (6 * i + j) * stride, o[j]);
  }
}

static void
weights (float *u, gsize stride, const float *w, int block, int out, int in)
{
  const int lanes = MIN (LANES, out - block * LANES), channels = padded (in);
  int step;

  u += panel (&step, block, channels, padded (out));
  w += (gsize) block * LANES * 9 * in;
  for (int i = 0; i < channels; i++) {
    float g[9][LANES] __attribute__ ((aligned (64))) = { { 0 } };

    for (int k = 0; k < 9 && i < in; k++)
      for (int o = 0; o < lanes; o++)
        g[k][o] = w[((gsize) o * 9 + k) * in + i];
    store_weight (u + (gsize) i * step, stride, (const Vec *) g);
  }
}

static void
weights_turned (float *u, gsize stride, const float *w, int block, int out,
    int in)
{
  const int lanes = MIN (LANES, in - block * LANES), channels = padded (out);
  int step;

  u += panel (&step, block, channels, padded (in));
  for (int o = 0; o < channels; o++) {
    float g[9][LANES] __attribute__ ((aligned (64))) = { { 0 } };

    for (int k = 0; k < 9 && o < out; k++)
      memcpy (g[8 - k], w + ((gsize) o * 9 + k) * in + block * LANES,
          lanes * sizeof (float));
    store_weight (u + (gsize) o * step, stride, (const Vec *) g);
  }
}

static void
weights_gradient (float *dw, const float *u, gsize stride, int block, int out,
    int in)
{
  const int lanes = MIN (LANES, out - block * LANES), channels = padded (in);
  int step;

  u += panel (&step, block, channels, padded (out));
  dw += (gsize) block * LANES * 9 * in;
  for (int first = 0; first < in; first += LANES) {
    const int n = MIN (LANES, in - first);
    float g[LANES][9][LANES] __attribute__ ((aligned (64)));

    for (int i = 0; i < n; i++) {
      Vec d[36], e[18];

      for (int f = 0; f < 36; f++)
        d[f] = lanes_load (u + f * stride + (gsize) (first + i) * step);
      for (int j = 0; j < 6; j++)
        transform_weight_gradient (e + j, 6, d + j, 6);
      for (int j = 0; j < 3; j++)
        transform_weight_gradient ((Vec *) g[i] + 3 * j, 1, e + 6 * j, 1);
    }
    for (int o = 0; o < lanes; o++)
      for (int k = 0; k < 9; k++)
        for (int i = 0; i < n; i++)
          dw[((gsize) o * 9 + k) * in + first + i] += g[i][k][o];
  }
}

const WinogradKernels KERNEL_NAME (winograd, ISA) = {
  .rows = ROWS,
  .input = input,
  .output_gradient = output_gradient,
  .output = output,
  .gemm = gemm,
  .gemm_gradient = gemm_gradient,
  .weights = weights,
  .weights_turned = weights_turned,
  .weights_gradient = weights_gradient,
};
