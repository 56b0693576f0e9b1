/* One step on a backend with all its tensors, made from a case of a table. */
#pragma once

#include "../tensors.h"

/* Where the tensors that a step reads stand in arrays: x[0] .., w, b. */
enum
{
  SLOT_W = DEFCN_MAX_INPUTS,
  SLOT_B,
  N_SLOTS
};

typedef enum
{
  BIAS = 1 << 0,
  RESIDUAL = 1 << 1, /* x[1], behind the offsets x[2] */
  RELU = 1 << 2,
  ADD_0 = 1 << 3,      /* accumulate[0] */
  ADD_OTHERS = 1 << 4, /* accumulate[1 ..] */
  FROZEN = 1 << 5,     /* w and b have no gradient */
  NO_DX0 = 1 << 6,     /* x[0] has no gradient */
  NO_DX1 = 1 << 7,     /* x[1] has no gradient */
  INPUT = 1 << 8,      /* x[0] is the network's input, so no gradient either */
  PRECISE = 1 << 9,    /* as the net has the box branch */
  INNER_X = 1 << 10,   /* x[0] is between convolutions, */
  INNER_RESIDUAL = 1 << 11,
  INNER_Y = 1 << 12,
} CaseFlags;

typedef struct
{
  int h, w;
} CaseSize;

typedef struct
{
  DefcnOpKind kind;
  int n, h, w, c; /* of x[0] */
  int out;        /* convolution: channels of y; 0: none, and y has c */
  int size;       /* convolution: side of the kernel */
  int stride;     /* y is so much smaller than x[0]; 0 means 1 */
  int groups;
  int offsets; /* deformable convolution: channels of x[1]; 0: it is none */
  int vector;  /* length of w where it is a vector; 0: none */
  CaseSize inputs[DEFCN_MAX_INPUTS]; /* of x[1] .., until one is 0 x 0 */
  CaseFlags flags;
  DefcnNode node; /* what else the kind reads */
} RigShape;

typedef struct
{
  DefcnBackend *be;
  DefcnNode node;
  DefcnTensor *slots[N_SLOTS]; /* NULL where the step has none */
} Rig;

/* A prepared step; without @train no tensor has a gradient. */
Rig *rig_new (DefcnBackend *be, const RigShape *shape, gboolean train);
void rig_free (Rig *rig);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Rig, rig_free)
