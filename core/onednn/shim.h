/* One face for oneDNN 2.6 (Debian 12) and 3.x (Debian 13): memory descriptors
 * that are structs there and handles here, primitive descriptors with and
 * without an operation descriptor before them. */
#pragma once

#include <glib.h>
#include <oneapi/dnnl/dnnl.h>

#if DNNL_VERSION_MAJOR >= 3

typedef dnnl_memory_desc_t ShimDesc; /* owned handle */
typedef const_dnnl_memory_desc_t ShimDescRef;

static inline dnnl_status_t
shim_desc_typed (ShimDesc *md, int n_dims, const dnnl_dims_t dims,
    dnnl_data_type_t type, dnnl_format_tag_t tag)
{
  return dnnl_memory_desc_create_with_tag (md, n_dims, dims, type, tag);
}

static inline dnnl_status_t
shim_desc_strides (ShimDesc *md, int n_dims, const dnnl_dims_t dims,
    const dnnl_dims_t strides)
{
  return dnnl_memory_desc_create_with_strides (md, n_dims, dims, dnnl_f32,
      strides);
}

static inline dnnl_status_t
shim_desc_clone (ShimDesc *md, ShimDescRef other)
{
  return dnnl_memory_desc_clone (md, other);
}

static inline void
shim_desc_free (ShimDesc *md)
{
  if (*md)
    dnnl_memory_desc_destroy (*md);
  *md = NULL;
}

static inline ShimDescRef
shim_ref (const ShimDesc *md)
{
  return *md;
}

static inline dnnl_status_t
shim_append_sum (dnnl_post_ops_t ops)
{
  return dnnl_post_ops_append_sum (ops, 1, 0, dnnl_data_type_undef);
}

static inline dnnl_status_t
shim_append_relu (dnnl_post_ops_t ops)
{
  return dnnl_post_ops_append_eltwise (ops, dnnl_eltwise_relu, 0, 0);
}

static inline dnnl_status_t
shim_conv_forward (dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
    ShimDescRef x, ShimDescRef w, ShimDescRef b, ShimDescRef y,
    const dnnl_dims_t stride, const dnnl_dims_t dilation, const dnnl_dims_t pad,
    const_dnnl_primitive_attr_t attr)
{
  return dnnl_convolution_forward_primitive_desc_create (pd, engine,
      dnnl_forward_training, dnnl_convolution_direct, x, w, b, y, stride,
      dilation, pad, pad, attr);
}

static inline dnnl_status_t
shim_conv_backward_data (dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
    ShimDescRef dx, ShimDescRef w, ShimDescRef dy, const dnnl_dims_t stride,
    const dnnl_dims_t dilation, const dnnl_dims_t pad,
    const_dnnl_primitive_desc_t hint)
{
  return dnnl_convolution_backward_data_primitive_desc_create (pd, engine,
      dnnl_convolution_direct, dx, w, dy, stride, dilation, pad, pad, hint,
      NULL);
}

static inline dnnl_status_t
shim_conv_backward_weights (dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
    ShimDescRef x, ShimDescRef dw, ShimDescRef db, ShimDescRef dy,
    const dnnl_dims_t stride, const dnnl_dims_t dilation, const dnnl_dims_t pad,
    const_dnnl_primitive_desc_t hint)
{
  return dnnl_convolution_backward_weights_primitive_desc_create (pd, engine,
      dnnl_convolution_direct, x, dw, db, dy, stride, dilation, pad, pad, hint,
      NULL);
}

#else

typedef dnnl_memory_desc_t ShimDesc; /* a struct */
typedef const dnnl_memory_desc_t *ShimDescRef;

static inline dnnl_status_t
shim_desc_typed (ShimDesc *md, int n_dims, const dnnl_dims_t dims,
    dnnl_data_type_t type, dnnl_format_tag_t tag)
{
  return dnnl_memory_desc_init_by_tag (md, n_dims, dims, type, tag);
}

static inline dnnl_status_t
shim_desc_strides (ShimDesc *md, int n_dims, const dnnl_dims_t dims,
    const dnnl_dims_t strides)
{
  return dnnl_memory_desc_init_by_strides (md, n_dims, dims, dnnl_f32, strides);
}

static inline dnnl_status_t
shim_desc_clone (ShimDesc *md, ShimDescRef other)
{
  *md = *other;
  return dnnl_success;
}

static inline void
shim_desc_free (ShimDesc *md)
{
}

static inline ShimDescRef
shim_ref (const ShimDesc *md)
{
  return md;
}

static inline dnnl_status_t
shim_append_sum (dnnl_post_ops_t ops)
{
  return dnnl_post_ops_append_sum (ops, 1);
}

static inline dnnl_status_t
shim_append_relu (dnnl_post_ops_t ops)
{
  return dnnl_post_ops_append_eltwise (ops, 1, dnnl_eltwise_relu, 0, 0);
}

static inline dnnl_status_t
shim_conv_forward (dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
    ShimDescRef x, ShimDescRef w, ShimDescRef b, ShimDescRef y,
    const dnnl_dims_t stride, const dnnl_dims_t dilation, const dnnl_dims_t pad,
    const_dnnl_primitive_attr_t attr)
{
  dnnl_convolution_desc_t desc;
  const dnnl_status_t status =
      dnnl_dilated_convolution_forward_desc_init (&desc, dnnl_forward_training,
          dnnl_convolution_direct, x, w, b, y, stride, dilation, pad, pad);

  return status ? status
                : dnnl_primitive_desc_create (pd, &desc, attr, engine, NULL);
}

static inline dnnl_status_t
shim_conv_backward_data (dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
    ShimDescRef dx, ShimDescRef w, ShimDescRef dy, const dnnl_dims_t stride,
    const dnnl_dims_t dilation, const dnnl_dims_t pad,
    const_dnnl_primitive_desc_t hint)
{
  dnnl_convolution_desc_t desc;
  const dnnl_status_t status =
      dnnl_dilated_convolution_backward_data_desc_init (&desc,
          dnnl_convolution_direct, dx, w, dy, stride, dilation, pad, pad);

  return status ? status
                : dnnl_primitive_desc_create (pd, &desc, NULL, engine, hint);
}

static inline dnnl_status_t
shim_conv_backward_weights (dnnl_primitive_desc_t *pd, dnnl_engine_t engine,
    ShimDescRef x, ShimDescRef dw, ShimDescRef db, ShimDescRef dy,
    const dnnl_dims_t stride, const dnnl_dims_t dilation, const dnnl_dims_t pad,
    const_dnnl_primitive_desc_t hint)
{
  dnnl_convolution_desc_t desc;
  const dnnl_status_t status =
      dnnl_dilated_convolution_backward_weights_desc_init (&desc,
          dnnl_convolution_direct, x, dw, db, dy, stride, dilation, pad, pad);

  return status ? status
                : dnnl_primitive_desc_create (pd, &desc, NULL, engine, hint);
}

#endif

static inline dnnl_status_t
shim_desc_tag (ShimDesc *md, int n_dims, const dnnl_dims_t dims,
    dnnl_format_tag_t tag)
{
  return shim_desc_typed (md, n_dims, dims, dnnl_f32, tag);
}

static inline ShimDescRef
shim_query (const_dnnl_primitive_desc_t pd, dnnl_query_t what)
{
  return dnnl_primitive_desc_query_md (pd, what, 0);
}
