/* Packed parameters, kept by the backend and counted. */
#include "pack.h"

void
defcn_onednn_pack_unref (Onednn *be, OnednnPack *pack)
{
  if (!pack || --pack->references > 0)
    return;
  g_ptr_array_remove_fast (be->common->packs, pack);
  if (pack->reorder)
    dnnl_primitive_destroy (pack->reorder);
  if (pack->dense)
    dnnl_memory_destroy (pack->dense);
  if (pack->packed)
    dnnl_memory_destroy (pack->packed);
  shim_desc_free (&pack->desc);
  be->base.free (&be->base, pack->data);
  be->base.free (&be->base, pack->wide);
  g_free (pack);
}

OnednnPack *
defcn_onednn_pack_get (Onednn *be, const DefcnTensor *w,
    void (*fill) (Onednn *be, OnednnPack *pack), ShimDescRef md, gsize bytes)
{
  for (guint i = 0; i < be->common->packs->len; i++) {
    OnednnPack *pack = be->common->packs->pdata[i];

    if (pack->w == w && pack->fill == fill
        && (!md || dnnl_memory_desc_equal (shim_ref (&pack->desc), md))) {
      pack->references++;
      return pack;
    }
  }

  OnednnPack *pack = g_new0 (OnednnPack, 1);
  pack->references = 1;
  pack->w = w;
  pack->version = w->version - 1;
  pack->fill = fill;
  pack->data = be->base.alloc (&be->base, bytes);
  g_ptr_array_add (be->common->packs, pack);
  if (pack->data && (!md || shim_desc_clone (&pack->desc, md) == dnnl_success))
    return pack;
  defcn_onednn_pack_unref (be, pack);
  return NULL;
}

void
defcn_onednn_pack_update (Onednn *be, OnednnPack *pack)
{
  g_mutex_lock (&be->common->fill);
  if (pack->version != pack->w->version)
    pack->fill (be, pack);
  pack->version = pack->w->version;
  g_mutex_unlock (&be->common->fill);
}
