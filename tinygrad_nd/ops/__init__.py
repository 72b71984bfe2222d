"""Operations on tensors: each primitive with its VJPs, each public function with its defaults and checks."""
