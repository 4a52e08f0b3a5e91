//! Features of a candidate as bytes: most of them are zero (one-hot parts, scores of neighbours
//! that are not there), and a decision has hundreds of candidates.
//!
//! Layout: number of features (u16, little-endian); one bit per feature, lowest bit first, set
//! when it is not +0; then the set ones as little-endian f32. Exact.

/// Writes features after what is in `out`. At most 65,535 are kept.
pub(super) fn encode(features: &[f32], out: &mut Vec<u8>) {
    let count = u16::try_from(features.len()).unwrap_or(u16::MAX);
    let features = &features[..usize::from(count)];
    out.extend_from_slice(&count.to_le_bytes());
    let mask = out.len();
    out.resize(mask + features.len().div_ceil(8), 0);
    for (i, f) in features.iter().enumerate() {
        if f.to_bits() != 0 {
            out[mask + i / 8] |= 1 << (i % 8);
            out.extend_from_slice(&f.to_le_bytes());
        }
    }
}

/// Reads what [`encode`] wrote; `None` for anything else.
pub(super) fn decode(bytes: &[u8]) -> Option<Vec<f32>> {
    let (count, rest) = bytes.split_first_chunk::<2>()?;
    let count = usize::from(u16::from_le_bytes(*count));
    let (mask, values) = rest.split_at_checked(count.div_ceil(8))?;
    let mut values = values.chunks_exact(4);
    let mut features = Vec::with_capacity(count);
    for i in 0..count {
        let set = mask[i / 8] >> (i % 8) & 1 == 1;
        features.push(if set {
            let bytes = values.next()?;
            f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]])
        } else {
            0.0
        });
    }
    (values.next().is_none() && values.remainder().is_empty()).then_some(features)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn features_come_back_bit_for_bit(
            bits in proptest::collection::vec(prop_oneof![Just(0_u32), any::<u32>()], 0..100)
        ) {
            let features: Vec<f32> = bits.iter().map(|b| f32::from_bits(*b)).collect();
            let mut bytes = Vec::new();
            encode(&features, &mut bytes);
            let back: Vec<u32> = decode(&bytes).unwrap().iter().map(|f| f.to_bits()).collect();
            prop_assert_eq!(back, bits);
        }

        #[test]
        fn other_bytes_are_refused_or_read_but_never_panic(
            bytes in proptest::collection::vec(any::<u8>(), 0..60)
        ) {
            let _ = decode(&bytes);
        }
    }
}
