/* From an annotated picture to a training example at network size. */
#include "augment.h"

#include "scaler.h"

#include <math.h>
#include <string.h>

/* ImageNet's mean colour: zero after the normalisation. */
static const guint8 mean_rgb[3] = { 124, 116, 104 };

/* Part of a box's area that has to stay in the picture. */
#define MIN_VISIBLE 0.25

void
defcn_example_free (DefcnExample *example)
{
  if (!example)
    return;
  g_free (example->rgb);
  g_array_unref (example->objects);
  g_free (example);
}

/* Whether training sees the object, be it as a region to ignore. */
static gboolean
is_used (const DefcnObject *o)
{
  return !o->untrainable && o->x2 > o->x1 && o->y2 > o->y1;
}

static gboolean
is_trained (const DefcnObject *o)
{
  return is_used (o) && !o->crowd && o->label >= 0;
}

static gboolean
chance (GRand *rand, float probability)
{
  return probability > 0 && g_rand_double (rand) < probability;
}

/* What happens to the picture's rectangle: the part @x, @y, @w, @h of it
 * (inside it) becomes @out_w x @out_h pixels at @left, @top of an example of
 * @width x @height. */
typedef struct
{
  int x, y, w, h;
  int out_w, out_h;
  int left, top;
  int width, height;
  gboolean flip;
  float min_visible; /* boxes that keep less of their area go */
} Geometry;

/* The reference's pipeline: short edge, long edge, flip. */
static Geometry
plain_geometry (const DefcnAugment *a, const DefcnPicture *picture, GRand *rand)
{
  const int edge = a->short_edges[a->n_short_edges > 1
          ? g_rand_int_range (rand, 0, a->n_short_edges)
          : 0];
  Geometry g = { .w = picture->width, .h = picture->height };

  defcn_image_target_size (&g.out_w, &g.out_h, g.w, g.h, edge, a->long_edge);
  g.width = g.out_w;
  g.height = g.out_h;
  return g;
}

/* One axis of large-scale jitter: @size scaled pixels onto @canvas. */
static void
place (int *from, int *len, int *at, int source, double scale, int canvas,
    GRand *rand)
{
  const int size = MAX (1, (int) (source * scale + 0.5));

  if (size <= canvas) {
    *from = 0;
    *len = source;
    *at = g_rand_int_range (rand, 0, canvas - size + 1);
    return;
  }
  *len = CLAMP ((int) (canvas / scale), 1, source);
  *from = g_rand_int_range (rand, 0, source - *len + 1);
  *at = 0;
}

/* Large-scale jitter on a fixed canvas. */
static Geometry
canvas_geometry (const DefcnAugment *a, const DefcnPicture *picture,
    GRand *rand)
{
  Geometry g = { .width = a->canvas_width,
    .height = a->canvas_height,
    .min_visible = MIN_VISIBLE };
  const double fit = MIN ((double) g.width / picture->width,
      (double) g.height / picture->height);
  const double scale = fit
      * exp (g_rand_double_range (rand, log (a->scale_min),
          log (a->scale_max) + 1e-9));

  place (&g.x, &g.w, &g.left, picture->width, scale, g.width, rand);
  place (&g.y, &g.h, &g.top, picture->height, scale, g.height, rand);
  g.out_w = CLAMP ((int) (g.w * scale + 0.5), 1, g.width - g.left);
  g.out_h = CLAMP ((int) (g.h * scale + 0.5), 1, g.height - g.top);
  return g;
}

/* One of the objects that are trained on, NULL where there is none. */
static const DefcnObject *
pick_object (const GArray *objects, GRand *rand)
{
  const DefcnObject *picked = NULL;
  int n = 0;

  for (guint i = 0; i < objects->len; i++) {
    const DefcnObject *o = &g_array_index (objects, DefcnObject, i);

    if (is_trained (o) && g_rand_int_range (rand, 0, ++n) == 0)
      picked = o;
  }
  return picked;
}

/* Crops to 0.5 .. 1 of each side, around the centre of a box. */
static void
crop (Geometry *g, const GArray *objects, GRand *rand)
{
  const int w = ceil (g->w * g_rand_double_range (rand, 0.5, 1));
  const int h = ceil (g->h * g_rand_double_range (rand, 0.5, 1));
  const DefcnObject *o = pick_object (objects, rand);
  int x = g_rand_int_range (rand, 0, g->w - w + 1);
  int y = g_rand_int_range (rand, 0, g->h - h + 1);

  if (o) {
    const int cx = CLAMP ((int) ((o->x1 + o->x2) / 2), 0, g->w - 1);
    const int cy = CLAMP ((int) ((o->y1 + o->y2) / 2), 0, g->h - 1);

    x = CLAMP (x, MAX (0, cx - w + 1), MIN (cx, g->w - w));
    y = CLAMP (y, MAX (0, cy - h + 1), MIN (cy, g->h - h));
  }
  g->x += x;
  g->y += y;
  g->w = w;
  g->h = h;
  g->min_visible = MIN_VISIBLE;
}

/* Shrinks the picture within the example by up to 1.5. */
static void
expand (Geometry *g, GRand *rand)
{
  const double ratio = g_rand_double_range (rand, 1, 1.5);

  g->out_w = MAX (1, (int) (g->width / ratio));
  g->out_h = MAX (1, (int) (g->height / ratio));
  g->left = g_rand_int_range (rand, 0, g->width - g->out_w + 1);
  g->top = g_rand_int_range (rand, 0, g->height - g->out_h + 1);
}

static void
draw (DefcnExample *example, const Geometry *g, const DefcnPicture *picture)
{
  const DefcnImage image = defcn_picture_image (picture);
  g_autoptr (DefcnScaler) scaler = defcn_scaler_new ();
  g_autofree guint8 *part = g_malloc ((gsize) g->out_w * g->out_h * 3);
  const gsize row = (gsize) g->width * 3;

  if (g->out_w < g->width || g->out_h < g->height) {
    for (gsize i = 0; i < row * g->height; i++)
      example->rgb[i] = mean_rgb[i % 3];
  }
  defcn_scaler_run (scaler, part, &image, g->x, g->y, g->w, g->h, g->out_w,
      g->out_h);
  for (int y = 0; y < g->out_h; y++) {
    guint8 *dst = example->rgb + (g->top + y) * row + (gsize) g->left * 3;
    const guint8 *src = part + (gsize) y * g->out_w * 3;

    memcpy (dst, src, (gsize) g->out_w * 3);
  }
  for (int y = 0; g->flip && y < g->height; y++) {
    guint8 *line = example->rgb + y * row;

    for (int x = 0; x < g->width / 2; x++) {
      for (int c = 0; c < 3; c++) {
        const int other = (g->width - 1 - x) * 3 + c;
        const guint8 v = line[3 * x + c];

        line[3 * x + c] = line[other];
        line[other] = v;
      }
    }
  }
}

/* Scale, clip, flip; drop what is empty.  A crowd is a region to ignore, of
 * which no part is too small. */
static void
map_objects (DefcnExample *example, const Geometry *g, const GArray *objects)
{
  const float sx = (float) ((double) g->out_w / g->w);
  const float sy = (float) ((double) g->out_h / g->h);

  for (guint i = 0; i < objects->len; i++) {
    DefcnObject o = g_array_index (objects, DefcnObject, i);

    if (!is_used (&o))
      continue;
    if (o.crowd)
      o.label = -1;
    o.x1 = (o.x1 - g->x) * sx + g->left;
    o.x2 = (o.x2 - g->x) * sx + g->left;
    o.y1 = (o.y1 - g->y) * sy + g->top;
    o.y2 = (o.y2 - g->y) * sy + g->top;
    const double area = ((double) o.x2 - o.x1) * ((double) o.y2 - o.y1);
    const double least = o.label < 0 ? 0 : g->min_visible * area;
    o.x1 = CLAMP (o.x1, g->left, g->left + g->out_w);
    o.x2 = CLAMP (o.x2, g->left, g->left + g->out_w);
    o.y1 = CLAMP (o.y1, g->top, g->top + g->out_h);
    o.y2 = CLAMP (o.y2, g->top, g->top + g->out_h);
    if (o.x2 <= o.x1 || o.y2 <= o.y1
        || ((double) o.x2 - o.x1) * ((double) o.y2 - o.y1) < least)
      continue;
    if (g->flip) {
      const float x1 = o.x1;

      o.x1 = g->width - o.x2;
      o.x2 = g->width - x1;
    }
    g_array_append_val (example->objects, o);
  }
}

static guint8
to_byte (float value)
{
  return CLAMP (value + 0.5f, 0, 255);
}

/* Brightness, contrast and saturation as factors, hue as a rotation of the
 * chroma plane; of the picture alone, for what is around it has no colour. */
static void
jitter_color (DefcnExample *example, const Geometry *g, float strength,
    GRand *rand)
{
  const float brightness =
      g_rand_double_range (rand, 1 - strength, 1 + strength);
  const float contrast = g_rand_double_range (rand, 1 - strength, 1 + strength);
  const float saturation =
      g_rand_double_range (rand, 1 - strength, 1 + strength);
  const float angle = g_rand_double_range (rand, -0.3, 0.3) * strength;
  const float c = cosf (angle) * saturation, s = sinf (angle) * saturation;
  const int left = g->flip ? g->width - g->left - g->out_w : g->left;

  for (int i = 0; i < g->out_w * g->out_h; i++) {
    const gsize row = g->top + i / g->out_w, column = left + i % g->out_w;
    guint8 *p = example->rgb + 3 * (row * g->width + column);
    const float y = 0.299f * p[0] + 0.587f * p[1] + 0.114f * p[2];
    const float u = p[2] - y, v = p[0] - y;
    const float u2 = c * u - s * v, v2 = s * u + c * v;
    const float y2 = ((y - 128) * contrast + 128) * brightness;

    p[0] = to_byte (y2 + v2);
    p[1] = to_byte (y2 - (0.299f * v2 + 0.114f * u2) / 0.587f);
    p[2] = to_byte (y2 + u2);
  }
}

DefcnExample *
defcn_augment_run (const DefcnAugment *augment, const DefcnPicture *picture,
    const GArray *objects, GRand *rand)
{
  Geometry g = augment->canvas_width > 0
      ? canvas_geometry (augment, picture, rand)
      : plain_geometry (augment, picture, rand);
  DefcnExample *example = g_new0 (DefcnExample, 1);

  if (augment->canvas_width == 0) {
    if (chance (rand, augment->crop)) {
      crop (&g, objects, rand);
      defcn_image_target_size (&g.out_w, &g.out_h, g.w, g.h,
          MIN (g.width, g.height), augment->long_edge);
      g.width = g.out_w;
      g.height = g.out_h;
    }
    if (chance (rand, augment->expand))
      expand (&g, rand);
  }
  g.flip = chance (rand, augment->flip);
  example->width = g.width;
  example->height = g.height;
  example->rgb = g_malloc ((gsize) g.width * g.height * 3);
  example->objects = g_array_new (FALSE, FALSE, sizeof (DefcnObject));
  draw (example, &g, picture);
  map_objects (example, &g, objects);
  if (augment->color > 0)
    jitter_color (example, &g, augment->color, rand);
  return example;
}
