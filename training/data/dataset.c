/* Annotated images: what both readers share. */
#include "dataset.h"

#include <math.h>
#include <string.h>

/* A training set has a million objects, so they are kept in few bytes and
 * unpacked for those who look at an image: this, then the box, four numbers in
 * hundredths if that is exact, as it is for COCO's two decimals, else as they
 * are. */
typedef struct
{
  guint32 previous; /* where the object before it in the sample lies */
  guint32 kind;     /* flags and, above them, label + 1 */
  double area;
} Head;

enum
{
  CROWD = 1 << 0,
  UNTRAINABLE = 1 << 1,
  PERSON = 1 << 2,
  HUNDREDTHS = 1 << 3,
  LABEL_SHIFT = 4
};

DefcnSample *
defcn_sample_new (gint64 id, const char *name, int width, int height)
{
  const gsize len = strlen (name) + 1;
  DefcnSample *sample = g_malloc0 (sizeof *sample + len);

  sample->id = id;
  sample->name = memcpy (sample + 1, name, len);
  sample->width = width;
  sample->height = height;
  return sample;
}

static gboolean
to_hundredths (gint32 out[4], const double box[4])
{
  for (int k = 0; k < 4; k++) {
    if (!(fabs (box[k]) < G_MAXINT32 / 100))
      return FALSE;
    out[k] = lrint (box[k] * 100);
    if (out[k] / 100.0 != box[k])
      return FALSE;
  }
  return TRUE;
}

gboolean
defcn_dataset_add (DefcnDataset *dataset, guint i, const DefcnObject *object)
{
  DefcnSample *sample = dataset->samples->pdata[i];
  Head head = { .previous = sample->last, .area = object->area };
  gint32 hundredths[4];

  if (!dataset->packed)
    dataset->packed = g_byte_array_new ();
  if (dataset->packed->len > G_MAXUINT32 / 2 - 64)
    return FALSE; /* GByteArray grows to powers of two */
  head.kind = (guint32) (object->label + 1) << LABEL_SHIFT
      | (object->crowd ? CROWD : 0) | (object->untrainable ? UNTRAINABLE : 0)
      | (object->person ? PERSON : 0);
  sample->last = dataset->packed->len;
  sample->n_objects++;
  if (to_hundredths (hundredths, object->bbox)) {
    head.kind |= HUNDREDTHS;
    g_byte_array_append (dataset->packed, (guint8 *) &head, sizeof head);
    g_byte_array_append (dataset->packed, (guint8 *) hundredths,
        sizeof hundredths);
  } else {
    g_byte_array_append (dataset->packed, (guint8 *) &head, sizeof head);
    g_byte_array_append (dataset->packed, (guint8 *) object->bbox,
        sizeof object->bbox);
  }
  return TRUE;
}

static Head
read_head (const DefcnDataset *dataset, guint32 at)
{
  Head head;

  memcpy (&head, dataset->packed->data + at, sizeof head);
  return head;
}

/* Returns: where the object before it lies. */
static guint32
unpack (DefcnObject *o, const DefcnDataset *dataset, guint32 at)
{
  const Head head = read_head (dataset, at);
  const guint8 *box = dataset->packed->data + at + sizeof head;

  if (head.kind & HUNDREDTHS) {
    gint32 hundredths[4];

    memcpy (hundredths, box, sizeof hundredths);
    for (int k = 0; k < 4; k++)
      o->bbox[k] = hundredths[k] / 100.0;
  } else {
    memcpy (o->bbox, box, sizeof o->bbox);
  }
  o->x1 = o->bbox[0];
  o->y1 = o->bbox[1];
  o->x2 = o->bbox[0] + o->bbox[2];
  o->y2 = o->bbox[1] + o->bbox[3];
  o->label = (int) (head.kind >> LABEL_SHIFT) - 1;
  o->crowd = (head.kind & CROWD) != 0;
  o->untrainable = (head.kind & UNTRAINABLE) != 0;
  o->person = (head.kind & PERSON) != 0;
  o->area = head.area;
  return head.previous;
}

GArray *
defcn_dataset_objects (const DefcnDataset *dataset, guint i)
{
  const DefcnSample *sample = dataset->samples->pdata[i];
  GArray *objects =
      g_array_sized_new (FALSE, TRUE, sizeof (DefcnObject), sample->n_objects);
  guint32 at = sample->last;

  g_array_set_size (objects, sample->n_objects);
  for (guint k = sample->n_objects; k > 0; k--)
    at = unpack (&g_array_index (objects, DefcnObject, k - 1), dataset, at);
  return objects;
}

void
defcn_dataset_free (DefcnDataset *dataset)
{
  if (!dataset)
    return;
  if (dataset->samples)
    g_ptr_array_unref (dataset->samples);
  if (dataset->packed)
    g_byte_array_unref (dataset->packed);
  if (dataset->labels)
    g_ptr_array_unref (dataset->labels);
  if (dataset->category_ids)
    g_array_unref (dataset->category_ids);
  g_free (dataset->path);
  g_free (dataset->image_dir);
  g_free (dataset);
}

char *
defcn_dataset_image_path (const DefcnDataset *dataset, guint i)
{
  const DefcnSample *sample = dataset->samples->pdata[i];

  if (!dataset->crowdhuman)
    return g_build_filename (dataset->image_dir, sample->name, NULL);

  static const char *const suffixes[] = { ".jpg", ".png" };
  for (gsize k = 0; k < G_N_ELEMENTS (suffixes); k++) {
    g_autofree char *name = g_strconcat (sample->name, suffixes[k], NULL);
    g_autofree char *path = g_build_filename (dataset->image_dir, name, NULL);

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
  }
  g_autofree char *name = g_strconcat (sample->name, suffixes[0], NULL);
  return g_build_filename (dataset->image_dir, name, NULL);
}

GArray *
defcn_dataset_trainable (const DefcnDataset *dataset)
{
  GArray *used = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint i = 0; i < dataset->samples->len; i++) {
    const DefcnSample *sample = dataset->samples->pdata[i];
    gboolean good = dataset->crowdhuman && sample->n_objects > 0;
    guint32 at = sample->last;

    for (guint k = 0; k < sample->n_objects && !good; k++) {
      const Head head = read_head (dataset, at);

      good = !(head.kind & (CROWD | UNTRAINABLE));
      at = head.previous;
    }
    if (good)
      g_array_append_val (used, i);
  }
  return used;
}
