/* A model file -> an ONNX file.
 *
 * Thread rule: re-entrant.
 */
#pragma once

#include "spec.h"

G_BEGIN_DECLS

typedef struct
{
  int width, height;   /* of the input; 0: any */
  int batch;           /* images; 0: any */
  gboolean decode;     /* boxes, scores and labels instead of the heads */
  gboolean preprocess; /* pictures as bytes instead of what the network takes */
} DefcnExporterOptions;

/* What was written. */
typedef struct
{
  DefcnSpec *spec;
  guint64 size; /* bytes of the file */
  int k;        /* boxes of an image, with decode */
  gboolean nms; /* the model's rule has NMS, which is left out */
} DefcnExporterResult;

void defcn_exporter_result_free (DefcnExporterResult *result);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DefcnExporterResult, defcn_exporter_result_free)

/* Reads the model file @input and writes @output.  NULL with @error: what is
 * wrong with @input, with the size, or with @output. */
DefcnExporterResult *defcn_exporter_run (const char *input, const char *output,
    const DefcnExporterOptions *options, GError **error);

G_END_DECLS
