"""Public vocabularies, as data: cell classes (`code,name,images`) and stains (`name,scheme,code,meaning`)."""
