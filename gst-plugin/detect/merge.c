/* Objects of regions that overlap. */
#include "merge.h"

#define SAME 0.5   /* IoU of what both regions see of two boxes */
#define INSIDE 0.5 /* of the smaller box that has to be there */
#define CUT 2     /* pixels from its region's edge that a cut box ends within */
#define STUMP 0.2 /* of a cut box that a whole one has to cover */

/* Corners, in pixels of the image. */
typedef struct
{
  double x1, y1, x2, y2;
} Box;

static Box
box_of (const GstDefcnObject *o, const GstDefcnPixels *v)
{
  return (Box){ v->x + o->x_min * v->w, v->y + o->y_min * v->h,
    v->x + o->x_max * v->w, v->y + o->y_max * v->h };
}

static Box
box_of_region (const GstDefcnRegion *r)
{
  return (Box){ r->rectangle.x, r->rectangle.y,
    (double) r->rectangle.x + r->rectangle.w,
    (double) r->rectangle.y + r->rectangle.h };
}

static Box
intersect (const Box *a, const Box *b)
{
  return (Box){ MAX (a->x1, b->x1), MAX (a->y1, b->y1), MIN (a->x2, b->x2),
    MIN (a->y2, b->y2) };
}

static double
area (const Box *b)
{
  return MAX (b->x2 - b->x1, 0) * MAX (b->y2 - b->y1, 0);
}

/* IoU within @seen; 0 for what is not the same object. */
static double
likeness (const Box *a, const Box *b, const Box *seen)
{
  const Box in_a = intersect (a, seen), in_b = intersect (b, seen);
  const Box both = intersect (&in_a, &in_b);
  const double common = area (&both);
  const double iou = common / (area (&in_a) + area (&in_b) - common);

  return iou >= SAME && common >= INSIDE * MIN (area (a), area (b)) ? iou : 0;
}

/* Whether an edge of its region ends @b, where the picture goes on. */
static gboolean
is_cut (const Box *b, const GstDefcnRegion *region, const GstDefcnPixels *v)
{
  const Box r = box_of_region (region);

  return (b->x1 < r.x1 + CUT && r.x1 > v->x)
      || (b->y1 < r.y1 + CUT && r.y1 > v->y)
      || (b->x2 > r.x2 - CUT && r.x2 < v->x + v->w)
      || (b->y2 > r.y2 - CUT && r.y2 < v->y + v->h);
}

/* Two objects that may be one. */
typedef struct
{
  guint a, b;
  double likeness;
} Pair;

static gint
compare_pairs (gconstpointer a, gconstpointer b)
{
  const double x = ((const Pair *) a)->likeness;
  const double y = ((const Pair *) b)->likeness;

  return (x < y) - (x > y);
}

/* The first object of each region, and one more. */
static guint *
find_starts (const GArray *owners, guint n_regions)
{
  guint *starts = g_new (guint, n_regions + 1), at = 0;

  for (guint i = 0; i <= n_regions; i++) {
    while (at < owners->len && g_array_index (owners, guint, at) < i)
      at++;
    starts[i] = at;
  }
  return starts;
}

static void
add_pairs (GArray *pairs, const GArray *objects, const guint *starts,
    const GArray *regions, const GstDefcnPixels *v, guint i, guint j)
{
  const Box one = box_of_region (&g_array_index (regions, GstDefcnRegion, i));
  const Box other = box_of_region (&g_array_index (regions, GstDefcnRegion, j));
  const Box seen = intersect (&one, &other);

  for (guint a = starts[i]; a < starts[i + 1] && area (&seen) > 0; a++) {
    const GstDefcnObject *p = &g_array_index (objects, GstDefcnObject, a);
    const Box box = box_of (p, v);

    for (guint b = starts[j]; b < starts[j + 1]; b++) {
      const GstDefcnObject *q = &g_array_index (objects, GstDefcnObject, b);
      const Box box_b = box_of (q, v);
      const Pair pair = { a, b, likeness (&box, &box_b, &seen) };

      if (p->label_id == q->label_id && pair.likeness > 0)
        g_array_append_val (pairs, pair);
    }
  }
}

/* Which of two boxes of one object goes. */
static guint
worse (const GArray *objects, const GArray *owners, const GArray *regions,
    const GstDefcnPixels *v, const Pair *pair)
{
  const guint at[2] = { pair->a, pair->b };
  const GstDefcnObject *o[2];
  gboolean cut[2];
  double size[2];

  for (int i = 0; i < 2; i++) {
    Box box;

    o[i] = &g_array_index (objects, GstDefcnObject, at[i]);
    box = box_of (o[i], v);
    cut[i] = is_cut (&box,
        &g_array_index (regions, GstDefcnRegion,
            g_array_index (owners, guint, at[i])),
        v);
    size[i] = area (&box);
  }
  if (cut[0] != cut[1])
    return cut[0] ? at[0] : at[1];
  if (cut[0])
    return size[0] < size[1] ? at[0] : at[1];
  return o[0]->confidence < o[1]->confidence ? at[0] : at[1];
}

/* Two regions: the likest pairs first, each object in one at most. */
static void
match (GArray *objects, const GArray *owners, const GArray *regions,
    const GstDefcnPixels *v, GArray *pairs, gboolean *gone)
{
  g_autoptr (GHashTable) taken = g_hash_table_new (NULL, NULL);

  g_array_sort (pairs, compare_pairs);
  for (guint i = 0; i < pairs->len; i++) {
    const Pair *p = &g_array_index (pairs, Pair, i);
    GstDefcnObject *a = &g_array_index (objects, GstDefcnObject, p->a);
    GstDefcnObject *b = &g_array_index (objects, GstDefcnObject, p->b);

    if (gone[p->a] || gone[p->b]
        || g_hash_table_contains (taken, GUINT_TO_POINTER (p->a))
        || g_hash_table_contains (taken, GUINT_TO_POINTER (p->b)))
      continue;
    g_hash_table_add (taken, GUINT_TO_POINTER (p->a));
    g_hash_table_add (taken, GUINT_TO_POINTER (p->b));
    gone[worse (objects, owners, regions, v, p)] = TRUE;
    a->confidence = b->confidence = MAX (a->confidence, b->confidence);
  }
}

static gboolean
contains (const Box *region, const Box *b)
{
  return b->x1 >= region->x1 && b->y1 >= region->y1 && b->x2 <= region->x2
      && b->y2 <= region->y2;
}

/* Whether region @j, which sees all of the cut box @a, has found something
 * whole there. */
static gboolean
is_stump (guint a, guint j, const GArray *objects, const guint *starts,
    const GArray *regions, const GstDefcnPixels *v, const gboolean *gone)
{
  const GstDefcnObject *o = &g_array_index (objects, GstDefcnObject, a);
  const GstDefcnRegion *region = &g_array_index (regions, GstDefcnRegion, j);
  const Box box = box_of (o, v), seen = box_of_region (region);

  if (!contains (&seen, &box) || is_cut (&box, region, v))
    return FALSE;
  for (guint b = starts[j]; b < starts[j + 1]; b++) {
    const GstDefcnObject *other = &g_array_index (objects, GstDefcnObject, b);
    const Box whole = box_of (other, v), both = intersect (&box, &whole);

    if (!gone[b] && other->label_id == o->label_id
        && !is_cut (&whole, region, v) && area (&both) >= STUMP * area (&box))
      return TRUE;
  }
  return FALSE;
}

/* What is left of an object that an edge cuts may be anywhere near it. */
static void
drop_stumps (const GArray *objects, const GArray *owners, const guint *starts,
    const GArray *regions, const GstDefcnPixels *v, gboolean *gone)
{
  for (guint a = 0; a < objects->len; a++) {
    const guint i = g_array_index (owners, guint, a);
    const Box box = box_of (&g_array_index (objects, GstDefcnObject, a), v);

    if (!is_cut (&box, &g_array_index (regions, GstDefcnRegion, i), v))
      continue;
    for (guint j = 0; j < regions->len && !gone[a]; j++)
      gone[a] = j != i && is_stump (a, j, objects, starts, regions, v, gone);
  }
}

void
gst_defcn_merge_regions (GArray *objects, GArray *owners, const GArray *regions,
    const GstDefcnPixels *visible)
{
  g_autofree guint *starts = find_starts (owners, regions->len);
  g_autofree gboolean *gone = g_new0 (gboolean, MAX (objects->len, 1));
  g_autoptr (GArray) pairs = g_array_new (FALSE, FALSE, sizeof (Pair));

  for (guint i = 0; i < regions->len; i++) {
    for (guint j = i + 1; j < regions->len; j++) {
      g_array_set_size (pairs, 0);
      add_pairs (pairs, objects, starts, regions, visible, i, j);
      match (objects, owners, regions, visible, pairs, gone);
    }
  }
  drop_stumps (objects, owners, starts, regions, visible, gone);
  for (guint i = objects->len; i-- > 0;) {
    if (gone[i]) {
      g_array_remove_index (objects, i);
      g_array_remove_index (owners, i);
    }
  }
}
