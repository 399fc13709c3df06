// A weight lies in blocks of 16 rows × 16 columns, block after block along the columns, rows of a block one after another, each as two octets of
// neighbouring columns: a block is one run of memory, for 32 invocations or for a matrix unit. Libraries for each way of storing an octet follow.

struct Octet { a: vec4f, b: vec4f }

/// Place of columns 8o … 8o + 7 of a row.
fn octet_place(row: u32, o: u32) -> u32 {
  return ((row / 16u) * (params.octets / 2u) + o / 2u) * 32u + (row % 16u) * 2u + o % 2u;
}
