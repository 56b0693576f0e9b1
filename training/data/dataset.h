/* Annotated images: what the COCO and CrowdHuman readers fill.
 *
 * Thread rule: read-only after loading, from any thread.
 */
#pragma once

#include "boxes.h"

G_BEGIN_DECLS

/* One annotation, in pixels of the image file. */
typedef struct
{
  float x1, y1, x2, y2;
  int label;      /* class index; -1: ignored (CrowdHuman) */
  gboolean crowd; /* COCO iscrowd: evaluated as ignored, never trained on */
  gboolean untrainable; /* COCO: only invalid polygons; evaluated, not trained
                           on */
  gboolean person;      /* CrowdHuman: tag is "person"; evaluation */
  double area;          /* COCO "area" field; evaluation */
  double bbox[4];       /* x, y, w, h as in the file; evaluation */
} DefcnObject;

typedef struct
{
  gint64 id;         /* COCO image id; CrowdHuman: line number from 0 */
  const char *name;  /* COCO file_name; CrowdHuman ID */
  int width, height; /* 0 where the file does not say (CrowdHuman) */
  guint n_objects;   /* read them with defcn_dataset_objects() */
  guint32 last;      /* where dataset.c has put the last of them */
} DefcnSample;

typedef struct
{
  char *path;           /* annotation file */
  char *image_dir;      /* where the images are */
  gboolean crowdhuman;  /* image file is image_dir/ID.jpg */
  GPtrArray *samples;   /* of DefcnSample, in file order (COCO: ascending id) */
  GByteArray *packed;   /* the objects of all samples, for dataset.c */
  GPtrArray *labels;    /* of char *, class index -> name */
  GArray *category_ids; /* of gint64, class index -> COCO category id */
  guint n_empty;        /* boxes of no area: evaluated, never trained on */
} DefcnDataset;

void defcn_dataset_free (DefcnDataset *dataset);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnDataset, defcn_dataset_free)

/* A sample and its name in one piece, freed with g_free(). */
DefcnSample *defcn_sample_new (gint64 id, const char *name, int width,
    int height);

/* For readers and tests: gives sample @i one more object, by its bbox; corners
 * follow from that.  FALSE if there is no room: more than 4 GiB of objects. */
gboolean defcn_dataset_add (DefcnDataset *dataset, guint i,
    const DefcnObject *object);
/* The objects of sample @i in the order of the file; (transfer full), of
 * DefcnObject. */
GArray *defcn_dataset_objects (const DefcnDataset *dataset, guint i);

/* Path of sample @i's image; (transfer full). */
char *defcn_dataset_image_path (const DefcnDataset *dataset, guint i);
/* Indices (of guint) of the samples that training uses: COCO images with a
 * box that is no crowd, CrowdHuman images with any annotation. */
GArray *defcn_dataset_trainable (const DefcnDataset *dataset);

G_END_DECLS
