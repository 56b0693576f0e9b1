/* Annotated images: what the COCO and CrowdHuman readers fill.
 *
 * Thread rule: read-only after loading, from any thread.
 */
#pragma once

#include "boxes.h"
#include "picture.h"

G_BEGIN_DECLS

/* The category id of a class that a data set does not have. */
#define DEFCN_NO_CATEGORY G_MAXINT64

/* One annotation, in pixels of the image file. */
typedef struct
{
  float x1, y1, x2, y2;
  int label;      /* class index; -1: ignored (CrowdHuman) */
  gboolean crowd; /* COCO iscrowd: evaluated as ignored, never trained on */
  gboolean untrainable; /* COCO: only invalid polygons, where that decides;
                           evaluated, not trained on */
  gboolean person;      /* CrowdHuman: tag is "person"; evaluation */
  double area;          /* COCO "area" field; evaluation */
  double bbox[4];       /* x, y, w, h as in the file; evaluation */
} DefcnObject;

/* How annotation files are read. */
typedef struct
{
  const char *classes; /* a list of these alone (list.h); NULL: all */
  double max_damaged;  /* share of annotations, and of images, that may be
                          damaged; a single one always may */
  gboolean polygons;   /* a list of polygons without one of three points keeps
                           its object out of training, as in the paper's code */
  gboolean absolute_names; /* of pictures, and such that leave their folder */
  DefcnPictureOptions picture;
} DefcnReadOptions;

/* All classes, a tenth damaged, no polygons, names below the folder. */
extern const DefcnReadOptions defcn_read_defaults;

typedef struct
{
  gint64 id;         /* COCO image id, see odd_ids; CrowdHuman: line from 0 */
  const char *name;  /* COCO file_name; CrowdHuman ID */
  int width, height; /* 0 where the file does not say */
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
  /* gint64 -> char *: what stands in the file, as JSON, for ids that are no
   * whole numbers of 64 bits; or NULL */
  GHashTable *odd_ids;
  guint n_empty;      /* boxes of no area: evaluated, never trained on */
  guint n_flat;       /* objects whose polygons have no three points */
  guint n_damaged;    /* annotations that were skipped */
  guint n_bad_images; /* images that were, with all that is on them */
  guint n_orphans;    /* likewise: of no image or category of the file */
  GPtrArray *damage;  /* of char *: what is wrong with the first of them */
  GPtrArray *remarks; /* of char *: what is taken though it is odd, the first */
  GPtrArray *left_out; /* of char *: classes of the file that are not used */
  gboolean polygons;   /* n_flat are untrainable */
  gboolean absolute_names;
  DefcnPictureOptions picture;
} DefcnDataset;

/* A set without anything in it, to be filled by a reader. */
DefcnDataset *defcn_dataset_new (const char *path, const char *image_dir,
    const DefcnReadOptions *options);

void defcn_dataset_free (DefcnDataset *dataset);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnDataset, defcn_dataset_free)

/* A sample and its name in one piece, freed with g_free(). */
DefcnSample *defcn_sample_new (gint64 id, const char *name, int width,
    int height);
/* The id of an image or a category as JSON; (transfer full). */
char *defcn_dataset_id (const DefcnDataset *dataset, gint64 id);

/* For readers and tests: gives sample @i one more object, by its bbox; corners
 * follow from that.  FALSE if there is no room: more than 4 GiB of objects. */
gboolean defcn_dataset_add (DefcnDataset *dataset, guint i,
    const DefcnObject *object);
/* The objects of sample @i in the order of the file; (transfer full), of
 * DefcnObject. */
GArray *defcn_dataset_objects (const DefcnDataset *dataset, guint i);

/* Sets @error to the file's name and @format; FALSE always. */
gboolean defcn_dataset_fail (GError **error, const DefcnDataset *dataset,
    const char *format, ...) G_GNUC_PRINTF (3, 4);
/* Bytes of a class's name, as in a model file. */
#define DEFCN_DATASET_MAX_LABEL 255
/* Whether @name, NULL too, can be that of a class: it can be shown, so it is
 * not empty and UTF-8 without control characters. */
gboolean defcn_dataset_is_label (const char *name);
/* (transfer full): name -> index + 1, the first of equal ones; it lends the
 * names.  A tree, as names of a file may be made to share a hash. */
GTree *defcn_dataset_index_labels (const GPtrArray *labels);
/* Notes that something is skipped, and counts it in @count, a field of
 * @dataset: n_damaged, n_bad_images, or n_orphans for an annotation that is
 * whole, of a file of which somebody took images away; takes @what. */
void defcn_dataset_skip (DefcnDataset *dataset, guint *count, char *what);
/* FALSE with @error if more images are damaged than @options allow of all. */
gboolean defcn_dataset_check_images (const DefcnDataset *dataset,
    const DefcnReadOptions *options, GError **error);
/* Likewise of @n annotations. */
gboolean defcn_dataset_check_damage (const DefcnDataset *dataset, guint n,
    const DefcnReadOptions *options, GError **error);
/* Takes away the classes that are TRUE in @gone, a flag for each, of which
 * there must be no object. */
void defcn_dataset_remove_classes (DefcnDataset *dataset, const gboolean *gone);
/* Notes what a user should know of the set; takes @what. */
void defcn_dataset_remark (DefcnDataset *dataset, char *what);
/* The objects of the classes @labels alone, numbered as there, with every image
 * of @dataset, which has to outlive it.  Classes are the same if their names
 * are; those that only @labels has have the category id DEFCN_NO_CATEGORY.  Its
 * notes are the classes that are left out.  NULL with @error if they have none
 * in common. */
DefcnDataset *defcn_dataset_match (const DefcnDataset *dataset,
    const char *const *labels, GError **error);

/* Whether a picture's @name has control characters: it goes into messages,
 * where it must not make lines of its own.  Such an image is skipped. */
gboolean defcn_dataset_has_controls (const char *name);
/* FALSE with @error that says what is wrong with a picture's @name: it leaves
 * the folder of images or is absolute, and the options did not allow it. */
gboolean defcn_dataset_check_name (const DefcnDataset *dataset,
    const char *name, GError **error);
/* Path of sample @i's image; (transfer full).  CrowdHuman's are .jpg or .png,
 * others are what image_name.h finds. */
char *defcn_dataset_image_path (const DefcnDataset *dataset, guint i);
/* The picture of sample @i.  It may have another scale than the record, but not
 * another shape: its boxes would be elsewhere.  NULL with @error. */
DefcnPicture *defcn_dataset_picture (const DefcnDataset *dataset, guint i,
    GError **error);
/* Indices (of guint) of the samples that training uses: COCO images with a
 * box that is no crowd, CrowdHuman images with any annotation; with
 * @background all. */
GArray *defcn_dataset_trainable (const DefcnDataset *dataset,
    gboolean background);
/* A checksum of the images and their objects, without the pictures; (transfer
 * full). */
char *defcn_dataset_checksum (const DefcnDataset *dataset);
/* What a user should know of the set, a line each, "" for nothing; (transfer
 * full). */
char *defcn_dataset_notes (const DefcnDataset *dataset);

G_END_DECLS
