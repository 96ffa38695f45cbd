"""The brand of the installation: product name, accent color and logo, which SUPER_ADMINs change."""
