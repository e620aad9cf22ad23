def to_svg(view): raise NotImplementedError
