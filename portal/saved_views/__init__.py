"""Saved views: named lists with their filters, sorting and columns, private or shared in the organization."""
