/* Boxes out of the heads of a pass. */
#include "decoder.h"

#include <string.h>

#include "heads.h"

struct _DefcnDecoder
{
  DefcnBackend *be;
  int n_classes;
  float sought_threshold, sought_iou; /* what the backend looks for */
  float *heads;                       /* of n_heads floats, which only grow */
  gsize n_heads;
  GArray *candidates;
  /* Of the last pass. */
  const DefcnPlan *plan;             /* its heads are on the device */
  gboolean has_found;                /* and the backend has looked */
  gboolean has_heads;                /* and they are in @levels, */
  DefcnLevel levels[DEFCN_N_LEVELS]; /* from the first image's on */
};

DefcnDecoder *
defcn_decoder_new (DefcnBackend *be, int n_classes)
{
  DefcnDecoder *decoder = g_new0 (DefcnDecoder, 1);

  decoder->be = be;
  decoder->n_classes = n_classes;
  decoder->candidates = g_array_new (FALSE, FALSE, sizeof (DefcnCandidate));
  return decoder;
}

void
defcn_decoder_free (DefcnDecoder *decoder)
{
  if (!decoder)
    return;
  g_array_unref (decoder->candidates);
  g_free (decoder->heads);
  g_free (decoder);
}

void
defcn_decoder_seek (DefcnDecoder *decoder, float threshold, float duplicate_iou)
{
  decoder->be->pass->seek (decoder->be, threshold, duplicate_iou);
  decoder->sought_threshold = threshold;
  decoder->sought_iou = duplicate_iou;
}

/* Scores with centerness are the host's to make, and several boxes of a
 * location its to tell. */
static gboolean
is_sought (const DefcnPlan *plan)
{
  return plan->centerness[0] == NULL && plan->deltas[0]->c == 4;
}

void
defcn_decoder_find (DefcnDecoder *decoder, const DefcnPlan *plan)
{
  if (!is_sought (plan))
    return;
  decoder->be->pass->find (decoder->be, plan->logits, plan->deltas,
      plan->filter, DEFCN_N_LEVELS);
}

gboolean
defcn_decoder_take (DefcnDecoder *decoder, const DefcnPlan *plan,
    gboolean has_found)
{
  const gsize len = defcn_heads_len (plan);

  if (decoder->n_heads < len) {
    g_free (decoder->heads);
    decoder->heads = g_try_new (float, len);
    decoder->n_heads = decoder->heads ? len : 0;
  }
  decoder->plan = plan;
  decoder->has_found = has_found;
  decoder->has_heads = FALSE;
  defcn_heads_describe (decoder->levels, plan);
  return decoder->heads != NULL;
}

/* What the backend looks for is enough for @rule: what scores less is left out
 * when boxes are made. */
static gboolean
suits (const DefcnDecoder *decoder, const DefcnDecodeRule *rule)
{
  return decoder->has_found && decoder->sought_iou == rule->duplicate_iou
      && decoder->sought_threshold
      <= defcn_boxes_threshold (rule, decoder->n_classes);
}

/* Where the backend can, it looks for the scores; the heads then stay there. */
static gboolean
find_candidates (DefcnDecoder *decoder, int image, const DefcnDecodeRule *rule)
{
  if (!decoder->be->pass || rule->topk <= 0 || rule->max_filter.phi > 0
      || !is_sought (decoder->plan))
    return FALSE;
  if (!suits (decoder, rule)) {
    defcn_decoder_seek (decoder,
        defcn_boxes_threshold (rule, decoder->n_classes), rule->duplicate_iou);
    defcn_decoder_find (decoder, decoder->plan);
    decoder->has_found = TRUE;
  }
  return decoder->be->pass->found (decoder->be, decoder->candidates, image);
}

/* The heads of an image, in host memory. */
static void
take_heads (DefcnDecoder *decoder, DefcnLevel levels[DEFCN_N_LEVELS], int image)
{
  if (!decoder->has_heads)
    defcn_heads_download (decoder->levels, decoder->heads, decoder->plan,
        decoder->be);
  decoder->has_heads = TRUE;
  memcpy (levels, decoder->levels, sizeof decoder->levels);
  for (int i = 0; i < image; i++)
    defcn_heads_next (levels, decoder->n_classes);
}

void
defcn_decoder_decode (DefcnDecoder *decoder, GArray *boxes, int image,
    const DefcnDecodeRule *rule)
{
  DefcnLevel levels[DEFCN_N_LEVELS];

  if (find_candidates (decoder, image, rule)) {
    defcn_boxes_select (boxes, decoder->candidates, decoder->levels,
        DEFCN_N_LEVELS, decoder->n_classes, rule);
    return;
  }
  take_heads (decoder, levels, image);
  defcn_boxes_decode (boxes, levels, DEFCN_N_LEVELS, decoder->n_classes, rule);
}

gboolean
defcn_decoder_check (const DefcnDecoder *decoder, GError **error)
{
  return !decoder->has_heads || decoder->be->sync (decoder->be, error);
}
