/* The oneDNN backend: memory and the list of its rows. */
#include "half.h"
#include "tiles.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "wait_policy.h"

enum
{
  HUGE_PAGE = 2 << 20,
  LARGE = 8 << 20 /* of which a part of a huge page is not much */
};

static gsize
backend_size (DefcnBackend *base, const DefcnTensor *t)
{
  const Onednn *be = onednn_of (base);
  const gsize len = t->role == DEFCN_TENSOR_ACTIVATION && !t->inner
      ? t->n * onednn_image (be, t)
      : defcn_tensor_len (t);
  const gsize bytes = len * (t->inner ? sizeof (guint16) : sizeof (float));

  return (bytes + 63) / 64 * 64;
}

/* What is large lies in huge pages where the kernel has some: a network goes
 * through its activations from end to end, and with small ones the processor
 * looks for pages. */
static void *
backend_alloc (DefcnBackend *be, gsize bytes)
{
  const gsize unit = bytes >= LARGE ? HUGE_PAGE : 64;
  const gsize len = MAX ((bytes + unit - 1) / unit * unit, unit);
  void *mem = aligned_alloc (unit, len);

#ifdef MADV_HUGEPAGE
  if (mem && unit == HUGE_PAGE)
    madvise (mem, len, MADV_HUGEPAGE);
#endif
  if (mem)
    memset (mem, 0, bytes);
  return mem;
}

static void
backend_free (DefcnBackend *be, void *mem)
{
  free (mem);
}

static void
backend_zero (DefcnBackend *be, void *mem, gsize bytes)
{
  memset (mem, 0, bytes);
}

/* Between NHWC @dense and the layout of @t's role, one image. */
static void
convert_image (const Onednn *be, const DefcnTensor *t, float *blocked,
    float *dense, gboolean up)
{
  const gboolean is_input = t->role == DEFCN_TENSOR_INPUT;
  const int block = is_input ? 1 : be->block;
  const int hw = t->h * t->w;

  for (int i = 0; i < hw; i++) {
    for (int c = 0; c < t->c; c++) {
      const gsize b =
          (gsize) (c / block) * hw * block + (gsize) i * block + c % block;
      const gsize d = (gsize) i * t->c + c;

      if (up)
        blocked[b] = dense[d];
      else
        dense[d] = blocked[b];
    }
  }
}

static void
convert (DefcnBackend *base, const DefcnTensor *t, float *mem, float *dense,
    gboolean up)
{
  const Onednn *be = onednn_of (base);
  const gsize image = (gsize) t->h * t->w * t->c;
  const gsize padded = onednn_image (be, t);

  onednn_enter (base);
#pragma omp parallel for
  for (int n = 0; n < t->n; n++)
    convert_image (be, t, mem + n * padded, dense + n * image, up);
}

/* The same of what only convolutions see, bfloat16. */
static void
convert_inner (const DefcnTensor *t, guint16 *mem, float *dense, gboolean up)
{
  for (gsize i = 0; i < defcn_tensor_len (t); i++) {
    if (up)
      mem[i] = defcn_half_bfloat_from_float (dense[i]);
    else
      dense[i] = defcn_half_bfloat_to_float (mem[i]);
  }
}

static void
backend_upload (DefcnBackend *be, const DefcnTensor *t, void *mem,
    const float *src)
{
  if (t->role == DEFCN_TENSOR_PARAM)
    memcpy (mem, src, defcn_tensor_len (t) * sizeof (float));
  else if (t->inner)
    convert_inner (t, mem, (float *) src, TRUE);
  else
    convert (be, t, mem, (float *) src, TRUE);
}

static void
backend_download (DefcnBackend *be, const DefcnTensor *t, float *dst,
    const void *mem)
{
  if (t->role == DEFCN_TENSOR_PARAM)
    memcpy (dst, mem, defcn_tensor_len (t) * sizeof (float));
  else if (t->inner)
    convert_inner (t, (guint16 *) mem, dst, FALSE);
  else
    convert (be, t, (float *) mem, dst, FALSE);
}

static gboolean
backend_sync (DefcnBackend *base, GError **error)
{
  Onednn *be = onednn_of (base);

  dnnl_stream_wait (be->stream);
  if (be->failed == dnnl_success)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "onednn: status %d at %s", be->failed, be->failed_name);
  be->failed = dnnl_success;
  return FALSE;
}

static OnednnCommon *
common_new (void)
{
  OnednnCommon *common = g_new0 (OnednnCommon, 1);

  common->packs = g_ptr_array_new ();
  g_mutex_init (&common->plan);
  g_mutex_init (&common->fill);
  return common;
}

static void
common_free (OnednnCommon *common)
{
  g_ptr_array_unref (common->packs);
  g_mutex_clear (&common->plan);
  g_mutex_clear (&common->fill);
  g_free (common);
}

static void
backend_destroy (DefcnBackend *base)
{
  Onednn *be = onednn_of (base);

  if (be->stream)
    dnnl_stream_destroy (be->stream);
  if (be->engine && !be->base.parent)
    dnnl_engine_destroy (be->engine);
  if (!be->base.parent)
    common_free (be->common);
  g_hash_table_unref (be->rectified);
  backend_free (base, be->scratch);
  g_free (be);
}

/* The kernels for the vector units that oneDNN found (and was allowed) to use.
 */
static void
choose_kernels (Onednn *be)
{
  const dnnl_cpu_isa_t isa = dnnl_get_effective_cpu_isa ();

  be->block = 8;
  be->deform = &defcn_deform_base;
  be->depthwise = &defcn_depthwise_base;
  be->peak = &defcn_peak_base;
  be->tube = &defcn_tube_base;
  be->winograd = &defcn_winograd_base;
#ifdef HAVE_X86_KERNELS
  if ((isa & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core) {
    be->block = 16;
    be->deform = &defcn_deform_avx512;
    be->depthwise = &defcn_depthwise_avx512;
    be->peak = &defcn_peak_avx512;
    be->tube = &defcn_tube_avx512;
    be->winograd = &defcn_winograd_avx512;
  } else if ((isa & dnnl_cpu_isa_avx2) == dnnl_cpu_isa_avx2) {
    be->deform = &defcn_deform_avx2;
    be->depthwise = &defcn_depthwise_avx2;
    be->peak = &defcn_peak_avx2;
    be->tube = &defcn_tube_avx2;
    be->winograd = &defcn_winograd_avx2;
  }
#endif
#ifdef HAVE_BFLOAT_KERNELS
  if ((isa & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16)
    be->bfloat = &defcn_bfloat_avx512;
#endif
  be->base.has_bf16 = be->bfloat != NULL;
  be->base.bf16_tiles = be->bfloat
      && (isa & dnnl_cpu_isa_avx512_core_amx) == dnnl_cpu_isa_avx512_core_amx;
}

/* Measured once, so that all backends of a process compute the same. */
static gboolean
pairs_pay (const Onednn *be)
{
#ifdef HAVE_BFLOAT_KERNELS
  static gsize answer = 0;

  if (be->bfloat && g_once_init_enter (&answer))
    g_once_init_leave (&answer,
        1 + defcn_onednn_peak_is_above (be, &defcn_peak_bfloat));
  return be->bfloat && answer == 2;
#else
  return FALSE;
#endif
}

static const DefcnOp *const rows[DEFCN_N_OPS] = {
  [DEFCN_OP_CONV] = &defcn_onednn_conv,
  [DEFCN_OP_DEFORM_CONV] = &defcn_onednn_deform_conv,
  [DEFCN_OP_MAX_POOL] = &defcn_onednn_max_pool,
  [DEFCN_OP_RELU] = &defcn_onednn_relu,
  [DEFCN_OP_GROUP_NORM] = &defcn_onednn_group_norm,
  [DEFCN_OP_UPSAMPLE_ADD] = &defcn_onednn_upsample_add,
  [DEFCN_OP_TUBE_MAX] = &defcn_onednn_tube_max,
  [DEFCN_OP_BOX] = &defcn_onednn_box,
  [DEFCN_OP_ANCHORS] = &defcn_onednn_anchors,
};

/* Every row's prepare(): counts the readers of rectified tensors first. */
static gboolean
prepare (DefcnBackend *base, DefcnNode *node, GError **error)
{
  const DefcnOp *row = rows[node->kind];
  g_autoptr (GMutexLocker) locker =
      g_mutex_locker_new (&onednn_of (base)->common->plan);

  for (int i = 0; i < DEFCN_MAX_INPUTS && node->x[i]; i++) {
    OnednnRectified *r =
        g_hash_table_lookup (onednn_of (base)->rectified, node->x[i]);

    if (r)
      r->readers++;
  }
  return row->prepare ? row->prepare (base, node, error) : TRUE;
}

/* Every row's release(). */
static void
release (DefcnBackend *base, DefcnNode *node)
{
  g_autoptr (GMutexLocker) locker =
      g_mutex_locker_new (&onednn_of (base)->common->plan);

  if (rows[node->kind]->release)
    rows[node->kind]->release (base, node);
}

/* What each has for itself; FALSE with @error. */
static gboolean
init (Onednn *be, GError **error)
{
  be->rectified = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  if (dnnl_stream_create (&be->stream, be->engine, dnnl_stream_default_flags)
      == dnnl_success)
    return TRUE;
  g_set_error (error, DEFCN_ERROR, DEFCN_ERROR_BACKEND,
      "onednn: cannot create an engine on this CPU");
  return FALSE;
}

static DefcnBackend *
backend_share (DefcnBackend *base, int threads, GError **error)
{
  Onednn *be = g_new0 (Onednn, 1);

  be->base = *base;
  be->base.threads = threads;
  be->base.passed_over = NULL;
  be->base.tune = NULL;
  be->base.share = NULL;
  be->base.parent = base;
  be->common = onednn_of (base)->common;
  be->engine = onednn_of (base)->engine;
  choose_kernels (be);
  if (init (be, error))
    return &be->base;
  backend_destroy (&be->base);
  return NULL;
}

static gboolean
takes_inner (DefcnBackend *base, const DefcnNode *node)
{
  onednn_enter (base);
  return defcn_onednn_tiles_suit (onednn_of (base), node);
}

static const char *
library_version (void)
{
  static char text[40];
  const dnnl_version_t *v = dnnl_version ();

  g_snprintf (text, sizeof text, "oneDNN %d.%d.%d", v->major, v->minor,
      v->patch);
  return text;
}

DefcnBackend *
defcn_onednn_new (int threads, GError **error)
{
  Onednn *be = g_new0 (Onednn, 1);

  if (threads > 1)
    defcn_onednn_wait_policy_calm ();
  be->base = (DefcnBackend){ .name = "onednn",
    .library = library_version (),
    .threads = threads,
    .takes_inner = takes_inner,
    .size = backend_size,
    .alloc = backend_alloc,
    .free = backend_free,
    .zero = backend_zero,
    .upload = backend_upload,
    .download = backend_download,
    .sync = backend_sync,
    .peak = defcn_onednn_peak,
    .share = backend_share,
    .destroy = backend_destroy };
  for (int i = 0; i < DEFCN_N_OPS; i++) {
    if (!rows[i])
      continue;
    be->base.ops[i] = *rows[i];
    be->base.ops[i].prepare = prepare;
    be->base.ops[i].release = release;
  }
  choose_kernels (be);
  be->base.bf16_pairs = pairs_pay (be);
  be->common = common_new ();
  if (dnnl_engine_create (&be->engine, dnnl_cpu, 0) != dnnl_success)
    be->engine = NULL; /* and no stream for it */
  if (init (be, error))
    return &be->base;
  backend_destroy (&be->base);
  return NULL;
}
