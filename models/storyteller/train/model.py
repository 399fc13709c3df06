"""Mamba-2 as functions over a dictionary of tensors, in the chunked (SSD) form.

The parameters of all layers are stacked: `in_proj` is (layers, features, d_model), so the optimiser sees ten tensors
however deep the model is, and a matrix optimiser works on all layers in one batched product.

Axes: b batch, l length, h heads, p head dimension, n state size, c chunks, q positions in a chunk.
The model computes what transformers' `Mamba2ForCausalLM` computes with `n_groups=1`, no projection biases, tied embeddings
and an inactive `time_step_limit`.
"""

import math
from dataclasses import dataclass

import torch
import torch.nn.functional as F

Params = dict[str, torch.Tensor]
State = list[tuple[torch.Tensor, torch.Tensor]]
EPSILON = 1e-5


@dataclass(frozen=True)
class Shape:
    vocab: int
    d_model: int = 256
    layers: int = 10
    state: int = 64
    head_dim: int = 64
    expand: int = 2
    conv: int = 4
    chunk: int = 64

    @property
    def d_inner(self) -> int:
        return self.expand * self.d_model

    @property
    def heads(self) -> int:
        return self.d_inner // self.head_dim

    @property
    def d_conv(self) -> int:
        return self.d_inner + 2 * self.state

    @property
    def d_in_proj(self) -> int:
        return 2 * self.d_inner + 2 * self.state + self.heads


@dataclass(frozen=True)
class Dropout:
    """Probabilities used in training only: of a token's embedding as a whole, of its entries, of the features before
    `out_proj`, and of a block's output."""

    token: float = 0.0
    embed: float = 0.0
    inner: float = 0.0
    block: float = 0.0


NO_DROPOUT = Dropout()


def init_params(shape: Shape, seed: int) -> Params:
    """mamba_ssm's initialisation: A in [1, 16], Δ log-uniform in [1e-3, 1e-1] through softplus, D = 1, and `out_proj`
    scaled by 1/√layers so that the residual stream's variance does not grow with depth."""
    g = torch.Generator().manual_seed(seed)
    L, d, di = shape.layers, shape.d_model, shape.d_inner

    def uniform(low: float, high: float, *size: int) -> torch.Tensor:
        return torch.rand(*size, generator=g) * (high - low) + low

    def fan_in(*size: int) -> torch.Tensor:
        bound = 1 / math.sqrt(size[-1])
        return uniform(-bound, bound, *size)

    dt = torch.exp(uniform(math.log(1e-3), math.log(1e-1), L, shape.heads)).clamp(min=1e-4)
    return {
        "embed": torch.randn(shape.vocab, d, generator=g) * 0.02,
        "norm": torch.ones(L, d),
        "in_proj": fan_in(L, shape.d_in_proj, d),
        "conv_weight": fan_in(L, shape.d_conv, shape.conv),
        "conv_bias": torch.zeros(L, shape.d_conv),
        "dt_bias": dt + torch.log(-torch.expm1(-dt)),  # softplus⁻¹(dt)
        "A_log": torch.log(uniform(1, 16, L, shape.heads)),
        "D": torch.ones(L, shape.heads),
        "gated_norm": torch.ones(L, di),
        "out_proj": fan_in(L, d, di) / math.sqrt(L),
        "norm_f": torch.ones(d),
    }


def new_state(shape: Shape, batch: int, device: torch.device, dtype: torch.dtype) -> State:
    """The memory of `batch` sequences: for each layer the convolution's last inputs (b, conv-1, features) and h (b, h, p, n)."""
    conv = (batch, shape.conv - 1, shape.d_conv)
    ssm = (batch, shape.heads, shape.head_dim, shape.state)
    return [tuple(torch.zeros(size, device=device, dtype=dtype) for size in (conv, ssm)) for _ in range(shape.layers)]


def rms_norm(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + EPSILON) * weight


def causal_conv(xBC: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, before: torch.Tensor):
    """Depthwise convolution over (b, l, features), `before` standing in front of it. Returns SiLU of it and the inputs to keep."""
    width, length = weight.shape[1], xBC.shape[1]
    padded = torch.cat([before.to(xBC.dtype), xBC], dim=1)
    taps = sum(padded[:, k : k + length].to(bias.dtype) * weight[:, k] for k in range(width))
    return F.silu(taps + bias), padded[:, length:].to(before.dtype)


def ssd_step(x, dt, A, B, C, h):
    """The recurrence, one position: h ← exp(Δ A) h + Δ x Bᵀ, y = h C. Shapes as in `ssd` with l = 1."""
    decay = torch.exp(dt[:, 0] * A)[:, :, None, None]
    h = decay * h + (dt[:, 0, :, None] * x[:, 0])[..., None] * B[:, 0, None, None, :]
    return (h * C[:, 0, None, None, :]).sum(-1)[:, None], h


def ssd(x, dt, A, B, C, h, chunk: int, matmul_dtype: torch.dtype):
    """y = M x in chunks of `chunk`. x (b,l,h,p), dt (b,l,h), A (h), B and C (b,l,n), h (b,h,p,n): y (b,l,h,p) and the last state.

    Decays and states stay in the type they come in; only the operands of matrix products are narrowed to `matmul_dtype`.
    """
    b, l, H, P = x.shape
    N = B.shape[-1]
    q = min(chunk, l)
    c = l // q
    x, dt = x.reshape(b, c, q, H, P), dt.reshape(b, c, q, H)
    B, C = B.reshape(b, c, q, N).to(matmul_dtype), C.reshape(b, c, q, N).to(matmul_dtype)

    a = torch.cumsum(dt * A, dim=2)  # log decay from the chunk's start, this position included
    by_head = a.permute(0, 1, 3, 2)
    future = torch.ones(q, q, dtype=torch.bool, device=x.device).triu(1)
    L = torch.exp((by_head[..., :, None] - by_head[..., None, :]).masked_fill(future, -torch.inf))

    # 1. inside the chunk: M = L ∘ (C Bᵀ), columns times Δ
    scores = C @ B.transpose(2, 3)
    M = scores[:, :, None].to(dt.dtype) * L * dt.permute(0, 1, 3, 2)[..., None, :]
    y = M.to(matmul_dtype) @ x.permute(0, 1, 3, 2, 4).to(matmul_dtype)

    # 2. the state each chunk adds
    weight = torch.exp(a[:, :, -1:] - a) * dt
    added = (x * weight[..., None]).to(matmul_dtype).reshape(b, c, q, H * P).transpose(2, 3) @ B
    added = added.view(b, c, H, P, N).to(h.dtype)

    # 3. the recurrence over chunks
    entering = []
    total = torch.exp(a[:, :, -1])
    for k in range(c):
        entering.append(h)
        h = total[:, k, :, None, None] * h + added[:, k]
    states = torch.stack(entering, dim=1).to(matmul_dtype).view(b, c, H * P, N)

    # 4. what the entering states contribute
    off = (C @ states.transpose(2, 3)).view(b, c, q, H, P).to(dt.dtype) * torch.exp(a)[..., None]
    return (y.permute(0, 1, 3, 2, 4).to(dt.dtype) + off).reshape(b, l, H, P), h


def block(u, conv, h, w: tuple[torch.Tensor, ...], shape: Shape, drop: Dropout, matmul_dtype: torch.dtype):
    """One residual layer: u + mixer(norm(u)) and the two states it leaves."""
    norm, in_proj, conv_weight, conv_bias, dt_bias, A_log, D, gated_norm, out_proj = w
    b, l, _ = u.shape
    features = rms_norm(u, norm).to(matmul_dtype) @ in_proj.to(matmul_dtype).t()
    z, xBC, dt = torch.split(features, [shape.d_inner, shape.d_conv, shape.heads], dim=-1)
    xBC, conv = causal_conv(xBC, conv_weight, conv_bias, conv)
    x, B, C = torch.split(xBC, [shape.d_inner, shape.state, shape.state], dim=-1)
    x = x.reshape(b, l, shape.heads, shape.head_dim)
    dt = F.softplus(dt.to(u.dtype) + dt_bias)
    A = -torch.exp(A_log)
    if l == 1:
        y, h = ssd_step(x, dt, A, B, C, h)
    else:
        y, h = ssd(x, dt, A, B, C, h, shape.chunk, matmul_dtype)
    y = (y + D[:, None] * x).reshape(b, l, shape.d_inner)
    y = rms_norm(y * F.silu(z.to(u.dtype)), gated_norm)
    if drop.inner > 0:
        y = F.dropout(y, drop.inner)
    out = (y.to(matmul_dtype) @ out_proj.to(matmul_dtype).t()).to(u.dtype)
    if drop.block > 0:
        out = F.dropout(out, drop.block)
    return u + out, conv, h


LAYER = ("norm", "in_proj", "conv_weight", "conv_bias", "dt_bias", "A_log", "D", "gated_norm", "out_proj")


def forward(params: Params, ids, state: State, shape: Shape, *, drop=NO_DROPOUT, matmul_dtype=None, run_block=block):
    """Logits (b, l, vocab) of ids (b, l) and the state after them; l is less than a chunk or a multiple of it."""
    weights = params["embed"]
    matmul_dtype = matmul_dtype or weights.dtype
    u = F.embedding(ids, weights)
    if drop.token > 0:
        u = u * (torch.rand(ids.shape, device=ids.device) >= drop.token)[..., None]
    if drop.embed > 0:
        u = F.dropout(u, drop.embed)
    stacked = [params[name].unbind(0) for name in LAYER]
    after = []
    for (conv, h), *w in zip(state, *stacked):
        u, conv, h = run_block(u, conv, h, tuple(w), shape, drop, matmul_dtype)
        after.append((conv, h))
    u = rms_norm(u, params["norm_f"])
    logits = u.to(matmul_dtype) @ weights.to(matmul_dtype).t()
    return logits, after


def score(params: Params, ids: torch.Tensor, shape: Shape, *, start: int, segment=2048, matmul_dtype=None) -> torch.Tensor:
    """Natural-log probabilities (l) of every id of one sequence, in one pass: `start` is the context of the first, and the
    state is carried from the first to the last."""
    weights = params["embed"]
    inputs = torch.cat([ids.new_tensor([start]), ids[:-1]])
    state = new_state(shape, 1, weights.device, weights.dtype)
    result = []
    position = 0
    while position < len(inputs):
        left = len(inputs) - position
        step = min(segment, left // shape.chunk * shape.chunk or left)
        logits, state = forward(params, inputs[None, position : position + step], state, shape, matmul_dtype=matmul_dtype)
        log_p = torch.log_softmax(logits[0].to(torch.promote_types(logits.dtype, torch.float32)), dim=-1)
        result.append(log_p.gather(1, ids[position : position + step, None])[:, 0])
        position += step
    return torch.cat(result)
