/* Boxes out of the heads, as ONNX nodes.  Shapes are n, .., h, w with L = h w
 * locations, C classes; a packed map has 4 + C channels: corners, scores. */
#include "decode.h"

#define INT64S(...)                                                            \
  defcn_onnx_int64s (o, (gint64[]){ __VA_ARGS__ },                             \
      sizeof ((gint64[]){ __VA_ARGS__ }) / sizeof (gint64))
#define ADD(...) defcn_onnx_add (o, __VA_ARGS__, NULL)
/* What is beyond the border: no box meets it, no score is below it. */
#define OUTSIDE (-1.0f)

/* Of a level. */
typedef struct
{
  const char *boxes;  /* (n, 4, h, w) */
  const char *scores; /* (n, C, h, w) */
  const char *packed; /* (n, 4 + C, h, w) */
  const char *around; /* (n, 9 (4 + C), h, w): of 3 x 3 locations, rowwise */
} Level;

static const char *
concat (DefcnOnnx *o, int axis, const char *const *inputs, int n)
{
  const char *y = defcn_onnx_add_all (o, "Concat", inputs, n);

  defcn_onnx_int (o, "axis", axis);
  return y;
}

static const char *
transpose (DefcnOnnx *o, const char *x)
{
  const char *y = ADD ("Transpose", x);

  defcn_onnx_ints (o, "perm", (gint64[]){ 0, 2, 1 }, 3);
  return y;
}

/* The @i-th dimension of @x, a scalar. */
static const char *
dim (DefcnOnnx *o, const char *x, int i)
{
  return ADD ("Gather", ADD ("Shape", x), defcn_onnx_int64 (o, i));
}

/* (h, w) of @x. */
static const char *
size_of (DefcnOnnx *o, const char *x)
{
  return ADD ("Slice", ADD ("Shape", x), INT64S (2), INT64S (4));
}

/* Centres of the locations along the axis @i of @x, in pixels. */
static const char *
centres (DefcnOnnx *o, const char *x, int i, int stride)
{
  const char *range = ADD ("Range", defcn_onnx_int64 (o, 0), dim (o, x, i),
      defcn_onnx_int64 (o, 1));
  const char *y = ADD ("Cast", range);

  defcn_onnx_int (o, "to", DEFCN_ONNX_FLOAT);
  y = ADD ("Add", y, defcn_onnx_number (o, 0.5f));
  return ADD ("Mul", y, defcn_onnx_number (o, stride));
}

/* @x cut into @n along @axis; equal pieces without @sizes. */
static void
split (DefcnOnnx *o, const char **parts, int n, const char *x, int axis,
    const char *sizes)
{
  parts[0] = sizes ? ADD ("Split", x, sizes) : ADD ("Split", x);
  for (int i = 1; i < n; i++)
    parts[i] = defcn_onnx_also (o);
  defcn_onnx_int (o, "axis", axis);
}

/* Corners of the boxes of all locations. */
static const char *
corners (DefcnOnnx *o, const char *ltrb, int stride)
{
  const char *side[4];
  const char *x = centres (o, ltrb, 3, stride);
  const char *y =
      ADD ("Unsqueeze", centres (o, ltrb, 2, stride), INT64S (1)); /* (h, 1) */

  split (o, side, 4, ltrb, 1, NULL);
  const char *const corner[] = { ADD ("Sub", x, side[0]),
    ADD ("Sub", y, side[1]), ADD ("Add", x, side[2]), ADD ("Add", y, side[3]) };
  return concat (o, 1, corner, 4);
}

static void
open_level (Level *level, DefcnOnnx *o, const DefcnExportHeads *heads, int l)
{
  *level =
      (Level){ .boxes = corners (o, heads->ltrb[l], defcn_boxes_stride (l)),
        .scores = ADD ("Sigmoid", heads->logits[l]) };
  if (heads->filter[l])
    level->scores =
        ADD ("Mul", level->scores, ADD ("Sigmoid", heads->filter[l]));
}

/* @x with the pads at @pads, (8): begins, then ends. */
static const char *
pad (DefcnOnnx *o, const char *x, const char *pads)
{
  return ADD ("Pad", x, pads, defcn_onnx_number (o, OUTSIDE));
}

/* The channels of 3 x 3 locations around each, one after the other. */
static const char *
gather_around (DefcnOnnx *o, const char *x)
{
  const char *padded = pad (o, x, INT64S (0, 0, 1, 1, 0, 0, 1, 1));
  const char *shifted[9];

  for (int i = 0; i < 9; i++) {
    const int dy = i / 3, dx = i % 3;

    shifted[i] = ADD ("Slice", padded, INT64S (dy, dx),
        INT64S (dy < 2 ? dy - 2 : G_MAXINT64, dx < 2 ? dx - 2 : G_MAXINT64),
        INT64S (2, 3));
  }
  return concat (o, 1, shifted, 9);
}

/* Of the finer level the 6 x 6 that are children of the 3 x 3 around each of
 * @level: four locations become one with four times the channels. */
static const char *
gather_finer (DefcnOnnx *o, const Level *level, const Level *finer)
{
  const char *twice = ADD ("Mul", size_of (o, level->packed), INT64S (2));
  const char *lacks = ADD ("Sub", twice, size_of (o, finer->packed));
  const char *const pads[] = { INT64S (0, 0, 0, 0, 0, 0), lacks };
  const char *x =
      ADD ("SpaceToDepth", pad (o, finer->packed, concat (o, 0, pads, 2)));

  defcn_onnx_int (o, "blocksize", 2);
  return gather_around (o, x);
}

/* Of the coarser level the 3 x 3 around the parent of each of @level. */
static const char *
gather_coarser (DefcnOnnx *o, const Level *level, const Level *coarser)
{
  const float twice[] = { 1, 1, 2, 2 };
  const char *x =
      ADD ("Resize", coarser->around, "", defcn_onnx_floats (o, twice, 4));

  defcn_onnx_string (o, "mode", "nearest");
  defcn_onnx_string (o, "coordinate_transformation_mode", "asymmetric");
  defcn_onnx_string (o, "nearest_mode", "floor");
  return ADD ("Slice", x, INT64S (0, 0), size_of (o, level->packed),
      INT64S (2, 3));
}

/* Of boxes at @a and @b: x1, y1, x2, y2. */
static const char *
area (DefcnOnnx *o, const char *const *a)
{
  return ADD ("Mul", ADD ("Sub", a[2], a[0]), ADD ("Sub", a[3], a[1]));
}

static const char *
iou (DefcnOnnx *o, const char *const *a, const char *const *b)
{
  const char *sides[2];

  for (int i = 0; i < 2; i++) {
    const char *side =
        ADD ("Sub", ADD ("Min", a[2 + i], b[2 + i]), ADD ("Max", a[i], b[i]));

    sides[i] = ADD ("Max", side, defcn_onnx_number (o, 0));
  }
  const char *inter = ADD ("Mul", sides[0], sides[1]);
  const char *both = ADD ("Add", area (o, a), area (o, b));
  return ADD ("Div", inter, ADD ("Sub", both, inter));
}

/* @self: parts of (n, 1, 4 + C, L).  The scores of @m neighbours each, (n, m,
 * C, L), those whose box is not nearly the same as OUTSIDE. */
static const char *
rivals (DefcnOnnx *o, const char *neighbours, int m, const char *const *self,
    int n_classes, float limit)
{
  const char *parts[5];
  const char *x = ADD ("Reshape", neighbours, INT64S (0, m, 4 + n_classes, -1));

  split (o, parts, 5, x, 2, INT64S (1, 1, 1, 1, n_classes));
  return ADD ("Where",
      ADD ("Greater", iou (o, self, parts), defcn_onnx_number (o, limit)),
      parts[4], defcn_onnx_number (o, OUTSIDE));
}

/* Of @x, (n, m, C, L), the best of the neighbours @begin .. @end. */
static const char *
best_of (DefcnOnnx *o, const char *x, gint64 begin, gint64 end)
{
  const gint64 axis = 1;
  const char *y = ADD ("ReduceMax",
      ADD ("Slice", x, INT64S (begin), INT64S (end), INT64S (1)));

  defcn_onnx_ints (o, "axes", &axis, 1);
  return y;
}

/* The local duplicate filter (boxes.h): scores of level @l, (n, C, L), of those
 * that a better one makes a duplicate 0.  Of equal ones the first counts:
 * finer levels, then rows above, then what is to the left. */
static const char *
without_duplicates (DefcnOnnx *o, const Level *levels, int l, int n_classes,
    float limit)
{
  const Level *level = &levels[l];
  const char *self[5];
  const char *packed =
      ADD ("Reshape", level->packed, INT64S (0, 1, 4 + n_classes, -1));

  split (o, self, 5, packed, 2, INT64S (1, 1, 1, 1, n_classes));
  const char *own = rivals (o, level->around, 9, self, n_classes, limit);
  const char *before = best_of (o, own, 0, 4), *after = best_of (o, own, 5, 9);

  if (l > 0) {
    const char *finer = rivals (o, gather_finer (o, level, level - 1), 36, self,
        n_classes, limit);

    before = ADD ("Max", before, best_of (o, finer, 0, 36));
  }
  if (l + 1 < DEFCN_N_LEVELS) {
    const char *coarser = rivals (o, gather_coarser (o, level, level + 1), 9,
        self, n_classes, limit);

    after = ADD ("Max", after, best_of (o, coarser, 0, 9));
  }
  const char *goes = ADD ("Or", ADD ("GreaterOrEqual", before, self[4]),
      ADD ("Greater", after, self[4]));
  return ADD ("Squeeze", ADD ("Where", goes, defcn_onnx_number (o, 0), self[4]),
      INT64S (1));
}

/* Rows of @x, (n, rows, 4), at @at, (n, k). */
static const char *
take_boxes (DefcnOnnx *o, const char *x, const char *at)
{
  const char *y = ADD ("GatherND", x, ADD ("Unsqueeze", at, INT64S (2)));

  defcn_onnx_int (o, "batch_dims", 1);
  return y;
}

static const char *
take (DefcnOnnx *o, const char *x, const char *at)
{
  const char *y = ADD ("GatherElements", x, at);

  defcn_onnx_int (o, "axis", 1);
  return y;
}

/* The best k of @scores, (n, any), and where they are. */
static void
top (DefcnOnnx *o, const char **values, const char **at, const char *scores,
    int k)
{
  *values = ADD ("TopK", scores, INT64S (k));
  *at = defcn_onnx_also (o);
  defcn_onnx_int (o, "axis", 1);
}

/* The best k of a level with @scores, (n, C, L).  However small it is it has k,
 * those beyond its L best with a score of 0. */
static void
select_level (DefcnExportBoxes *best, DefcnOnnx *o, const Level *level,
    const char *scores, int n_classes, int k)
{
  const char *n_locations = dim (o, scores, 2);
  const char *flat = ADD ("Reshape", transpose (o, scores), INT64S (0, -1));
  const char *padded =
      ADD ("Pad", flat, INT64S (0, 0, 0, k), defcn_onnx_number (o, 0));
  g_autofree gint64 *ranks = g_new (gint64, k);
  const char *at;

  for (int i = 0; i < k; i++)
    ranks[i] = i;
  top (o, &best->scores, &at, padded, k);
  best->scores =
      ADD ("Where", ADD ("Less", defcn_onnx_int64s (o, ranks, k), n_locations),
          best->scores, defcn_onnx_number (o, 0));
  best->labels = ADD ("Mod", at, defcn_onnx_int64 (o, n_classes));
  const char *last = ADD ("Sub", n_locations, defcn_onnx_int64 (o, 1));
  const char *location =
      ADD ("Min", ADD ("Div", at, defcn_onnx_int64 (o, n_classes)), last);
  best->boxes = take_boxes (o,
      transpose (o, ADD ("Reshape", level->boxes, INT64S (0, 4, -1))),
      location);
}

void
defcn_export_decode (DefcnExportBoxes *boxes, DefcnOnnx *onnx,
    const DefcnExportHeads *heads, int n_classes, const DefcnDecodeRule *rule)
{
  DefcnOnnx *o = onnx;
  const int k = MIN (rule->topk, rule->max_detections);
  const gboolean drops = defcn_boxes_drops (rule->duplicate_iou);
  Level levels[DEFCN_N_LEVELS];
  const char *found[3][DEFCN_N_LEVELS], *at;

  defcn_onnx_scope (o, "decode");
  for (int l = 0; l < DEFCN_N_LEVELS; l++)
    open_level (&levels[l], o, heads, l);
  for (int l = 0; l < DEFCN_N_LEVELS && drops; l++) {
    const char *const maps[] = { levels[l].boxes, levels[l].scores };

    levels[l].packed = concat (o, 1, maps, 2);
    levels[l].around = gather_around (o, levels[l].packed);
  }
  for (int l = 0; l < DEFCN_N_LEVELS; l++) {
    const char *scores = drops
        ? without_duplicates (o, levels, l, n_classes, rule->duplicate_iou)
        : ADD ("Reshape", levels[l].scores, INT64S (0, n_classes, -1));
    DefcnExportBoxes best;

    select_level (&best, o, &levels[l], scores, n_classes, k);
    found[0][l] = best.boxes;
    found[1][l] = best.scores;
    found[2][l] = best.labels;
  }
  boxes->k = MIN ((gint64) k * DEFCN_N_LEVELS, rule->max_detections);
  top (o, &boxes->scores, &at, concat (o, 1, found[1], DEFCN_N_LEVELS),
      boxes->k);
  boxes->scores = defcn_onnx_call (o, "scores");
  /* what onnxinference and older TensorRT give out too */
  ADD ("Cast", take (o, concat (o, 1, found[2], DEFCN_N_LEVELS), at));
  defcn_onnx_int (o, "to", DEFCN_ONNX_INT32);
  boxes->labels = defcn_onnx_call (o, "labels");
  take_boxes (o, concat (o, 1, found[0], DEFCN_N_LEVELS), at);
  boxes->boxes = defcn_onnx_call (o, "boxes");
}
