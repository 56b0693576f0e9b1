/* The heads of a batch as kernels of training see them. */
#pragma once

#include "vector.cuh"

typedef struct
{
  const float *logits, *deltas, *filter; /* filter may be NULL */
  const float *aux_logits; /* @logits where the auxiliary loss has no others */
  float *dlogits, *ddeltas, *dfilter;
  float *daux_logits; /* NULL: @dlogits take it */
  int h, w, stride;
  int first;  /* location of an image */
  gsize base; /* row of the batch, level after level */
} BatchLevel;

/* Row base + image * h * w + location belongs to the location of a level. */
typedef struct
{
  BatchLevel at[DEFCN_N_LEVELS];
  int n, n_classes;
  gsize n_rows;
} Batch;

static inline Batch
heads_batch (const DefcnHeads *heads)
{
  Batch batch = {};
  int first = 0;

  batch.n = heads->n_levels;
  batch.n_classes = heads->logits[0]->c;
  for (int l = 0; l < heads->n_levels; l++) {
    const DefcnTensor *logits = heads->logits[l], *deltas = heads->deltas[l];
    const DefcnTensor *filter = heads->filter[l];
    const DefcnTensor *aux = heads->aux_logits ? heads->aux_logits[l] : NULL;
    BatchLevel *level = &batch.at[l];

    level->logits = logits->data;
    level->deltas = deltas->data;
    level->filter = filter ? filter->data : NULL;
    level->dlogits = logits->grad;
    level->ddeltas = deltas->grad;
    level->dfilter = filter ? filter->grad : NULL;
    level->aux_logits = aux ? aux->data : logits->data;
    level->daux_logits = aux ? aux->grad : NULL;
    level->h = logits->h;
    level->w = logits->w;
    level->stride = heads->strides[l];
    level->first = first;
    level->base = batch.n_rows;
    first += logits->h * logits->w;
    batch.n_rows += (gsize) logits->n * logits->h * logits->w;
  }
  return batch;
}

/* @bytes rounded up to where the next part of a room may begin. */
static inline gsize
heads_part (gsize bytes)
{
  return (bytes + 255) / 256 * 256;
}
